"""What an endpoint answered, or why that is no text about a volume."""

from __future__ import annotations

import json
import re

from vlp3d_core.train.captioning.tidy import has_words, tidy

LONGEST = 4000
"""Characters; a page and a half. A model that talks on and on has lost the thread."""

_MARKUP = re.compile(r"<!doctype|</?(?:html|head|body|div|p|script|table)\b", re.I)


class Nonsense(Exception):
    """An answer that is refused; its text ends the sentence "the endpoint answered …"."""


def text_of(body: bytes) -> str:
    """The text in a response of `POST /chat/completions`.

    Raises:
        Nonsense: it holds none that could stand in a report.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):  # ValueError: also bytes that are no text
        page = body.lstrip()[:1] == b"<"
        raise Nonsense("with a web page, not with JSON" if page else "with something that is not JSON") from None
    text = _content(answer)
    if text is None:
        raise Nonsense("with JSON that has no text in choices[0].message.content")
    if _MARKUP.search(text):
        raise Nonsense("with a web page in place of a text")
    if len(text) > LONGEST:
        raise Nonsense(f"with more than {LONGEST} characters")
    text = tidy(text)
    if not has_words(text):
        raise Nonsense("with an empty text")
    return text


def complaint(body: bytes) -> str:
    """What a server says about an error, in one short line that is safe to print; "" for nothing."""
    try:
        answer = json.loads(body)
        error = answer.get("error", answer) if isinstance(answer, dict) else ""
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        return ""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(said or "")).split())
    return words[:200].rstrip(".")


def _content(answer: object) -> str | None:
    """choices[0].message.content; some servers give it in parts."""
    try:
        content = answer["choices"][0]["message"]["content"]  # type: ignore[index]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part.get("type") == "text")
    except (LookupError, TypeError, AttributeError):
        return None
    return content if isinstance(content, str) else ("" if content is None else None)

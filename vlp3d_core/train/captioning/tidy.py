"""A model's words as a report can hold them."""

from __future__ import annotations

import re

_FIGURE = re.compile(
    r"^(?:(?:supplementary\s+)?fig(?:ure)?s?\b\s*\.?\s*(?:\d+\s*[a-z]?|[a-z])?\s*(?:\(\s*[a-z]\s*\))?\s*[:.)\-–—]+\s*)+",
    re.I,
)
_THOUGHT = re.compile(r"^\s*<think>.*?(?:</think>|\Z)", re.S | re.I)


def tidy(text: str) -> str:
    """One line a paragraph, without "figure 3:" in front, without thoughts and characters that do not print.

    Captioners that learned from papers begin with "figure N:", which says nothing about the image.
    """
    text = _THOUGHT.sub("", text)
    lines = (" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in text.splitlines())
    return _FIGURE.sub("", "\n".join(line for line in lines if line)).strip()


def has_words(text: str) -> bool:
    """Whether anything is said at all: two letters side by side."""
    return re.search(r"[^\W\d_]{2}", text) is not None


def as_sentence(text: str) -> str:
    """With a full stop at the end, so that several texts can follow each other."""
    return text if text.endswith((".", "!", "?")) else f"{text}."

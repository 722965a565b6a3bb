"""Captions by a language model behind an OpenAI-compatible address (vLLM, Ollama, llama.cpp, a provider).

It is given the measured facts as text, or slices as pictures; never a file, a name or a header field.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.captioning.address import Address, parse_address
from vlp3d_core.train.captioning.answer import Nonsense, text_of
from vlp3d_core.train.captioning.cache import Cache, default_cache
from vlp3d_core.train.captioning.client import Client, Patience, Refused, Unreachable
from vlp3d_core.train.captioning.facts import FactsMaker
from vlp3d_core.train.captioning.maker import Left, Made, MakerStopped
from vlp3d_core.train.captioning.slices import axial_slices, png
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.volume import Volume

TOKENS = 256
GIVE_UP = 3
"""Volumes in a row that the endpoint did not answer; then the run stops, and can go on later."""

PROMPTS = {
    "facts": (
        "These facts were measured in a medical image. Write them as the findings of a report: plain English "
        "sentences, no lists, no headings. Say nothing that is not among the facts."
    ),
    "slices": (
        "These are axial slices of one medical volume. Describe what they show in at most four plain English "
        "sentences, without lists or headings. Do not guess names, dates or diagnoses."
    ),
}
WHAT = {
    "facts": "the measured facts of each volume as text (modality, names of structures, volumes, mean intensities)",
    "slices": "axial slices of each volume as PNG pictures, with any text that is burned into them, and its modality",
}

Send = Literal["facts", "slices"]


class EndpointMaker:
    """Asks a server, at most once for the same question.

    Args:
        url: "http://localhost:11434/v1" or the like.
        model: its name there.
        facts: measures; only used where facts are sent.
        send: what the model is given.
        slices: how many axial slices, where they are sent.
        prompt: what the model is asked; "" for the default of `send`.
        tokens: the most word pieces of an answer.
        allow_upload: the user has said that data may leave this computer; a loopback address needs no leave.
        key: of the endpoint; neither logged nor kept.
        fresh: ask again what has been answered before.
        tell: takes one sentence about what is sent where, before the first request, and what else should be known.

    Raises:
        UsageError: the address makes no sense, or is another computer's and `allow_upload` is missing.
    """

    name = "endpoint"

    def __init__(
        self,
        url: str,
        model: str,
        facts: FactsMaker | None = None,
        send: Send = "facts",
        slices: int = 1,
        prompt: str = "",
        tokens: int = TOKENS,
        allow_upload: bool = False,
        key: str = "",
        patience: Patience | None = None,
        cache: Path | None = None,
        fresh: bool = False,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        address = parse_address(url)
        if not address.local and not allow_upload:
            raise UsageError(
                f"{address.host} is not this computer: {WHAT[send]} would leave it.",
                "If you may and want to send that, say so with --allow-upload.",
            )
        self.version, self._facts, self._send = model, facts or FactsMaker(), send
        self._slices, self._prompt, self._tokens = slices, prompt or PROMPTS[send], tokens
        self._client = Client(address, key, patience)
        self._cache, self._fresh, self._tell = Cache(cache or default_cache()), fresh, tell
        self._told = self._cache_failed = False
        self._unanswered = 0
        settings = {"send": send, "prompt": self._prompt, "tokens": str(tokens)}
        self.settings: Mapping[str, str] = settings | ({"slices": str(slices)} if send == "slices" else {})

    def caption(self, case: Case, volume: Volume | None = None) -> Made | Left:
        """See `CaptionMaker`."""
        volume = volume or read_volume(case.image, modality=case.modality or None)
        if self._send == "facts":
            facts = self._facts.caption(case, volume)
            if isinstance(facts, Left):
                return facts
            content: Any = f"{self._prompt}\n\n{facts.text}"
            crop = facts.crop
        else:
            shown = axial_slices(volume, self._slices)
            about = f" The modality is {volume.modality}." if volume.modality else ""
            content = [{"type": "text", "text": self._prompt + about}, *(_picture(png(i)) for i in shown.images)]
            crop = shown.crop
        answer = self._ask(self._body(content))
        return answer if isinstance(answer, Left) else Made(answer, crop)

    def _body(self, content: Any) -> bytes:
        messages = [{"role": "user", "content": content}]
        request = {"model": self.version, "messages": messages, "temperature": 0, "max_tokens": self._tokens}
        return json.dumps(request, sort_keys=True).encode()

    def _ask(self, body: bytes) -> str | Left:
        url = self._client.address.url
        known = None if self._fresh else self._cache.get(url, body)
        if known is not None:
            return known
        if not self._told:
            self._tell(warning(self._client.address, self.version, self._send))
            self._told = True
        try:
            text = text_of(self._client.post(body))
        except Unreachable as error:
            self._unanswered += 1
            if self._unanswered >= GIVE_UP:
                raise MakerStopped(
                    f"{GIVE_UP} volumes in a row had no answer: {error}.", "Look after the endpoint."
                ) from None
            return Left(str(error))
        except (Refused, Nonsense) as error:
            self._unanswered = 0
            return Left(str(error) if isinstance(error, Refused) else f"the endpoint answered {error}")
        self._unanswered = 0
        self._keep(url, body, text)
        return text

    def _keep(self, url: str, body: bytes, text: str) -> None:
        try:
            self._cache.put(url, body, text)
        except MedVLPError as error:  # an answer that is not kept is an answer all the same
            if not self._cache_failed:
                self._tell(f"Answers are not kept for a second run. {error}")
            self._cache_failed = True


def warning(address: Address, model: str, send: Send) -> str:
    """What is sent, and where to."""
    where = f"{model!r} at {address.url}"
    kept = "Names of files and subjects and the headers of files are not sent."
    if address.local:
        return f"The program that runs {where}, on this computer, is given {WHAT[send]}, and the prompt. {kept}"
    bare = " The connection is not encrypted." if address.url.startswith("http:") else ""
    return f"This leaves this computer for {where}: {WHAT[send]}, and the prompt. {kept}{bare}"


def _picture(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(data).decode()}}

"""What the client and the worker say to each other: one JSON object a line, checked on arrival.

Client → worker: requests `{"id", "do", ...}` and notices `{"do": "volume" | "release" | "cancel" | "shutdown"}`.
Worker → client: `{"event": "ready"}` once, then for each request any number of "progress" events after one "started",
and exactly one of "result", "error" and "cancelled". Voxels never travel on the pipe (see `arrays.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from vlp3d_core.errors import MedVLPError, UsageError

MAX_REQUEST = 1 << 20
MAX_ANSWER = 1 << 26
"""Bytes in a line. A longer one cannot be meant: it is skipped by the worker and ends it for the client."""

QUICK = ("hello", "models")
"""Requests that are answered at once, whatever else runs."""
WORK = ("choose", "estimate", "encode", "segment", "likeness", "find")
"""Requests that wait for each other; each of them names a volume."""
NOTICES = ("volume", "release", "cancel", "shutdown")
STAGES = ("starting", "loading", "choosing", "preparing", "encoding", "cleaning", "resampling", "searching")
"""What `Job.stage` can be, in the order in which they come; "" before the first one."""
END = ("result", "error", "cancelled")


class Garbage(ValueError):
    """A line or a message that cannot be meant."""


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as a line. Raises ValueError for NaN and infinities, which JSON does not have."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def unpack(line: bytes) -> dict[str, Any]:
    """The message in a line.

    Raises:
        Garbage: it is not a JSON object.
    """
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Garbage("The line is not JSON.") from error
    if not isinstance(message, dict):
        raise Garbage("The line is not a JSON object.")
    return message


def lines(stream: IO[bytes], limit: int) -> Iterator[bytes | None]:
    """Line by line until the end of the stream; None for a line longer than `limit` bytes.

    What follows the last line break is left out: a process that is killed may leave half a line.
    """
    while line := stream.readline(limit):
        if line.endswith(b"\n"):
            yield line
        elif len(line) == limit:
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield None


@dataclass(frozen=True)
class Like:
    """What a region looks like, as it travels: `predict.like.Likeness`, and the name of the model that made it."""

    query: tuple[float, ...]
    volume_ml: float
    name: str
    model: str


@dataclass(frozen=True)
class Request:
    """One request, its values checked for their types.

    Attributes:
        id: the client's number of the job.
        do: one of `QUICK` and `WORK`.
        volume: number under which the volume was sent.
        model, device, tile, roi, structures, text, k, name: as `LoadedModel` takes them.
        mask: number under which the mask of `name` was sent, as a volume.
        like: what is looked for in place of `text`.
    """

    id: int
    do: str
    volume: int = 0
    model: str | None = None
    device: str = "auto"
    tile: int | None = None
    roi: tuple[float, float, float, float, float, float] | None = None
    structures: tuple[str, ...] | None = None
    text: str = ""
    k: int = 5
    name: str = ""
    mask: int = 0
    like: Like | None = None


def parse_request(message: Mapping[str, Any]) -> Request:
    """A request from a message.

    Raises:
        Garbage: a value is missing or of the wrong type; says which one.
    """
    do = text_of(message, "do")
    if do not in QUICK and do not in WORK:
        raise Garbage(f"There is no request {do[:40]!r}.")
    number = whole_of(message, "id")
    if do in QUICK:
        return Request(number, do)
    optional = {name: message.get(name) is not None for name in ("model", "tile", "roi", "structures")}
    roi = numbers_of(message, "roi", 6) if optional["roi"] else None
    return Request(
        id=number,
        do=do,
        volume=whole_of(message, "volume"),
        model=text_of(message, "model") if optional["model"] else None,
        device=text_of(message, "device", "auto"),
        tile=whole_of(message, "tile") if optional["tile"] else None,
        roi=(roi[0], roi[1], roi[2], roi[3], roi[4], roi[5]) if roi else None,
        structures=texts_of(message, "structures") if optional["structures"] else None,
        text=text_of(message, "text", ""),
        k=whole_of(message, "k", 5),
        name=text_of(message, "name", ""),
        mask=whole_of(message, "mask", 0),
        like=like_of(message["like"]) if message.get("like") is not None else None,
    )


def like_of(body: Any) -> Like:
    """A likeness. Raises Garbage."""
    if not isinstance(body, dict) or not isinstance(body.get("query"), list):
        raise Garbage("like is not a likeness.")
    query = numbers_of(body, "query", len(body["query"]))
    return Like(query, number(body.get("volume_ml"), "volume_ml"), text_of(body, "name"), text_of(body, "model"))


def error_message(error: MedVLPError) -> dict[str, Any]:
    """An error as it travels."""
    return {"cause": error.cause, "remedy": error.remedy, "usage": isinstance(error, UsageError)}


def error_of(message: Mapping[str, Any]) -> MedVLPError:
    """The inverse of `error_message`. Raises Garbage."""
    body = message.get("error")
    if not isinstance(body, dict):
        raise Garbage("There is no error.")
    kind = UsageError if body.get("usage") is True else MedVLPError
    return kind(text_of(body, "cause"), text_of(body, "remedy", ""))


def whole_of(message: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A whole number; a missing one is `default`. Raises Garbage."""
    value = message.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 1 << 53:
        raise Garbage(f"{name} is not a whole number.")
    return value


def text_of(message: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text; a missing one is `default`. Raises Garbage."""
    value = message.get(name, default)
    if not isinstance(value, str):
        raise Garbage(f"{name} is not a text.")
    return value


def texts_of(message: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts. Raises Garbage."""
    value = message.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Garbage(f"{name} is not a list of texts.")
    return tuple(value)


def numbers_of(message: Mapping[str, Any], name: str, count: int) -> tuple[float, ...]:
    """A list of that many finite numbers. Raises Garbage."""
    value = message.get(name)
    if not isinstance(value, list) or len(value) != count:
        raise Garbage(f"{name} is not a list of {count} numbers.")
    return tuple(number(item, name) for item in value)


def number(value: Any, name: str) -> float:
    """A finite number. Raises Garbage."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= 1e300:
        raise Garbage(f"{name} is not a number.")
    return float(value)


def _refuse(name: str) -> None:
    """Python reads NaN and Infinity as numbers; JSON has none."""
    raise ValueError(f"{name} is not JSON")

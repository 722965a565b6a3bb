"""Whatever arrives on a pipe is a message or is refused; nothing else can happen."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.protocol import (
    QUICK,
    WORK,
    Garbage,
    Request,
    error_message,
    error_of,
    lines,
    pack,
    parse_request,
    unpack,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["id", "do", "volume", "model", "device", "tile", "roi", "structures", "text", "k"]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_garbage(line: bytes) -> None:
    with contextlib.suppress(Garbage):
        assert isinstance(unpack(line), dict)


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 100_000, b'{"a":NaN}', b"\xff{}", b"\xed\xa0\x80", b"null", b""]
)
def test_nasty_lines_are_garbage(line: bytes) -> None:
    with pytest.raises(Garbage):
        unpack(line)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_packed_comes_back(message: dict[str, Any]) -> None:
    try:
        line = pack(message)
    except ValueError:  # NaN and infinities
        return
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert unpack(line) == json.loads(json.dumps(message))


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_object_is_a_request_or_garbage(message: dict[str, Any]) -> None:
    with contextlib.suppress(Garbage):
        assert isinstance(parse_request(message), Request)


@given(
    st.fixed_dictionaries(
        {"id": st.integers(0, 9), "do": st.sampled_from(QUICK + WORK), "volume": st.integers(0, 9)},
        optional={
            "roi": st.lists(st.floats() | st.integers(), max_size=7),
            "structures": st.lists(st.text() | st.none(), max_size=3),
            "tile": JSON,
            "k": JSON,
        },
    )
)
def test_nearly_right_requests_too(message: dict[str, Any]) -> None:
    try:
        request = parse_request(message)
    except Garbage:
        return
    assert request.roi is None or len(request.roi) == 6
    assert request.tile is None or type(request.tile) is int


def test_a_request_keeps_its_values() -> None:
    roi = [-1.0, 1, -2, 2.5, 0, 3]
    message = {"id": 3, "do": "segment", "volume": 2, "roi": roi, "structures": ["liver"], "tile": 96, "device": "cpu"}
    request = parse_request(unpack(pack(message)))
    assert request == Request(3, "segment", 2, None, "cpu", 96, (-1.0, 1.0, -2.0, 2.5, 0.0, 3.0), ("liver",), "", 5)


@pytest.mark.parametrize("error", [MedVLPError("Cause.", "Remedy."), UsageError("Cause.", "Remedy.")])
def test_errors_keep_their_kind(error: MedVLPError) -> None:
    back = error_of({"error": json.loads(json.dumps(error_message(error)))})
    assert type(back) is type(error) and (back.cause, back.remedy) == ("Cause.", "Remedy.")


@given(st.lists(st.binary(max_size=12)), st.integers(1, 10))
def test_lines_are_bounded(parts: list[bytes], limit: int) -> None:
    """Against the plain way to split: lines up to the limit come through, longer ones are told, half a one is not."""
    content = b"\n".join(parts)
    *whole, half = content.split(b"\n")
    expected = [line + b"\n" if len(line) < limit else None for line in whole]
    expected += [None] if len(half) >= limit else []
    assert list(lines(io.BytesIO(content), limit)) == expected

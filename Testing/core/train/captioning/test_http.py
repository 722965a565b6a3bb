"""The small parsers between us and an endpoint: addresses, waiting times, complaints."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlp3d_core.errors import UsageError
from vlp3d_core.train.captioning.address import parse_address
from vlp3d_core.train.captioning.answer import LONGEST, Nonsense, complaint, text_of
from vlp3d_core.train.captioning.client import retry_after


@pytest.mark.parametrize(
    ("given_url", "url", "local"),
    [
        ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions", True),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat/completions", True),
        ("http://[::1]:8000", "http://[::1]:8000/chat/completions", True),
        (" https://127.8.9.1/v1/chat/completions ", "https://127.8.9.1/v1/chat/completions", True),
        ("https://api.example/v1", "https://api.example/v1/chat/completions", False),
        ("http://192.168.0.7:1234/v1", "http://192.168.0.7:1234/v1/chat/completions", False),
        ("http://0.0.0.0/v1", "http://0.0.0.0/v1/chat/completions", False),
        ("http://localhost.example/v1", "http://localhost.example/v1/chat/completions", False),
        ("http://127.0.0.1.example/v1", "http://127.0.0.1.example/v1/chat/completions", False),
    ],
)
def test_addresses(given_url: str, url: str, local: bool) -> None:
    address = parse_address(given_url)
    assert (address.url, address.local) == (url, local)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:11434/v1", "ftp://localhost", "file:///etc/passwd", "http://", "http://[", "http://a b/v1",
     "http://localhost:port/v1", "http://localhost:99999", "http://lo\ncalhost/v1", "http://bücher.example/v1"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="not an address"):
        parse_address(url)


@pytest.mark.parametrize("url", ["http://me:pass@localhost/v1", "http://127.0.0.1@evil.example/", "https://a/v1?key=x"])
def test_addresses_with_secrets_are_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="MEDVLP_ENDPOINT_KEY") as refused:
        parse_address(url)
    assert url not in str(refused.value)


@given(st.text())
@example("http://%zz")
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    for url in (text, f"http://{text}", f"http://localhost{text}"):
        try:
            address = parse_address(url)
        except UsageError:
            continue
        assert address.host and address.url.startswith(("http://", "https://"))


def test_waiting_times() -> None:
    assert retry_after("3") == 3 and retry_after(" 0.5") == 0.5 and retry_after("-4") == 0
    later = retry_after(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    assert later is not None and 3500 < later <= 3600
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after(None) is retry_after("soon") is retry_after("nan") is retry_after("inf") is None


@given(st.text())
def test_any_waiting_time(text: str) -> None:
    seconds = retry_after(text)
    assert seconds is None or seconds >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["choices", "message", "content", "error"]), inner),
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
@example(b'{"choices": {"0": {}}}')
@example(b'{"choices": [{"message": {"content": ["x"]}}]}')
@example(b'{"choices": [{"message": {"content": [{"type": "text"}]}}]}')
@example(b'{"choices": [{"message": {"content": [{"type": "text", "text": 3}]}}]}')
def test_any_answer_is_a_text_or_nonsense(body: bytes) -> None:
    line = complaint(body)
    assert len(line) <= 200 and line.isprintable()
    try:
        text = text_of(body)
    except Nonsense:
        return
    assert text.strip() and len(text) <= LONGEST

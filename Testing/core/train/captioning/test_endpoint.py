"""An endpoint: what is sent and said before, what is refused, and that nothing is asked twice. The server is real."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from Testing.core.train.captioning.conftest import Endpoint, Reply, says
from vlp3d_core.errors import UsageError
from vlp3d_core.train.captioning import Left, Made, MakerStopped, caption
from vlp3d_core.train.captioning.client import Patience
from vlp3d_core.train.captioning.endpoint import GIVE_UP, EndpointMaker
from vlp3d_core.train.captioning.facts import FactsMaker
from vlp3d_core.train.captioning.slices import axial_slices
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume import read_volume

QUICK = Patience(timeout=10.0, attempts=3, first_wait=0.01, longest_wait=0.1)
KEY = "sk-secret-0123456789"
Make = Callable[..., EndpointMaker]


@pytest.fixture
def maker(endpoint: Endpoint, cache: Path) -> Make:
    """An `EndpointMaker` for the server, with little patience; keywords change it."""

    def make(**changes: Any) -> EndpointMaker:
        return EndpointMaker(**({"url": endpoint.url, "model": "tiny", "patience": QUICK} | changes))

    return make


def test_facts_are_sent_and_the_answer_is_the_caption(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    made = caption(cases, maker())
    assert [c.report for c in made.cases] == ["The liver is seen."] * 3 and not made.notes
    for case, asked in zip(made.cases, endpoint.asked, strict=True):
        assert asked["model"] == "tiny" and asked["temperature"] == 0 and asked["max_tokens"] == 256
        (message,) = asked["messages"]
        facts = FactsMaker().caption(case)
        assert isinstance(facts, Made) and message["content"].endswith(f"\n\n{facts.text}")
        assert "Say nothing that is not among the facts" in message["content"]
        about = case.caption
        assert (about["maker"], about["version"], about["crop"]) == ("endpoint", "tiny", "whole volume")
    assert endpoint.paths == ["/v1/chat/completions"] * 3
    assert not any("Authorization" in headers for headers in endpoint.headers)


def test_slices_are_sent_as_pictures(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    made = caption(cases[:1], maker(send="slices", slices=2, prompt="What is it?")).cases[0]
    text, *pictures = endpoint.asked[0]["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it? The modality is CT."}
    shown = axial_slices(read_volume(cases[0].image), 2)
    for picture, image in zip(pictures, shown.images, strict=True):
        head, _, data = picture["image_url"]["url"].partition(",")
        assert picture["type"] == "image_url" and head == "data:image/png;base64"
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), image)
    assert made.caption["crop"] == shown.crop and made.caption["prompt"] == "What is it?"


@pytest.mark.parametrize("send", ["facts", "slices"])
def test_no_names_leave(send: str, endpoint: Endpoint, maker: Make, cases: list[Case], tmp_path: Path) -> None:
    named = tmp_path / "Doe_Jane_1950.nii.gz"
    named.write_bytes(cases[0].image.read_bytes())
    caption([replace(cases[0], image=named, subject="Doe-Jane-4711")], maker(send=send))
    sent = json.dumps([endpoint.asked, endpoint.headers])
    assert len(endpoint.asked) == 1 and "Doe" not in sent and "4711" not in sent and str(tmp_path) not in sent


def test_the_warning_comes_once_and_before_the_first_request(
    endpoint: Endpoint, maker: Make, cases: list[Case]
) -> None:
    told: list[tuple[str, int]] = []
    caption(cases, maker(tell=lambda text: told.append((text, len(endpoint.asked)))))
    ((text, asked),) = told
    assert asked == 0 and endpoint.url in text and "'tiny'" in text
    assert "measured facts of each volume" in text and "on this computer" in text


def test_nothing_is_asked_or_told_twice(endpoint: Endpoint, maker: Make, cases: list[Case], cache: Path) -> None:
    first = caption(cases, maker()).cases
    told: list[str] = []
    assert caption(cases, maker(tell=told.append)).cases == first
    assert len(endpoint.asked) == 3 and not told
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert len(files) == 3 and all(json.loads(f.read_text()) == {"text": "The liver is seen."} for f in files)


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"prompt": "Other."}, {"send": "slices"}, {"fresh": True}, {"tokens": 9}]
)
def test_another_question_is_asked(change: dict[str, Any], endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    caption(cases[:1], maker())
    caption(cases[:1], maker(**change))
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"text": 1}', b"\xff\xfe"])
def test_a_damaged_cache_is_asked_again(
    content: bytes, endpoint: Endpoint, maker: Make, cases: list[Case], cache: Path
) -> None:
    caption(cases[:1], maker())
    (file,) = (path for path in cache.rglob("*") if path.is_file())
    file.write_bytes(content)
    assert caption(cases[:1], maker()).cases[0].report == "The liver is seen."
    assert len(endpoint.asked) == 2 and json.loads(file.read_text())["text"]


def test_a_cache_that_cannot_be_written_is_told_once(
    endpoint: Endpoint, maker: Make, cases: list[Case], cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    told: list[str] = []
    made = caption(cases, maker(tell=told.append))
    assert all(c.report for c in made.cases)
    assert len(told) == 2 and "not kept" in told[1]


NONSENSE: dict[str, tuple[Reply, str]] = {
    "html": ((200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>Log in</html>"), "a web page, not with JSON"),
    "html in json": (says("<html><body>502</body></html>"), "a web page in place of a text"),
    "not json": ((200, {}, b"data: {}\n\n"), "not JSON"),
    "nothing": ((200, {}, b""), "not JSON"),
    "bytes": ((200, {}, b"\xff\x00\xfe"), "not JSON"),
    "deep": ((200, {}, b"[" * 200_000), "not JSON"),
    "no choices": ((200, {}, b'{"choices": []}'), "no text in choices"),
    "a list": ((200, {}, b"[1, 2]"), "no text in choices"),
    "a number": ((200, {}, b'{"choices": [{"message": {"content": 7}}]}'), "no text in choices"),
    "null": (says(None), "an empty text"),
    "empty": (says("  \n "), "an empty text"),
    "no words": (says("... 1 2 3"), "an empty text"),
    "thoughts only": (says("<think>The liver, hm"), "an empty text"),
    "long": (says("The liver. " * 1000), "more than 4000 characters"),
    "huge": ((200, {}, b" " * 1_100_000), "more than 1,000,000 bytes"),
    "badly packed": ((200, {"Content_Encoding": "gzip"}, b"not gzip"), "cannot be unpacked"),
    "too much for it": (
        (400, {}, b'{"error": {"message": "context\\u001b[31m too long."}}'),
        "(400: context [31m too long)",
    ),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_refused_and_counted(kind: str, endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    reply, said = NONSENSE[kind]
    endpoint.replies(reply, says("The spleen is seen."), reply)
    made = caption(cases, maker())
    assert [c.report for c in made.cases] == ["", "The spleen is seen.", ""]
    (note,) = made.notes
    assert note.startswith("2 volumes were left without a new text: the endpoint ") and said in note
    assert len(endpoint.asked) == 3, "nonsense is not asked for twice, and not kept"


def test_parts_prefixes_and_thoughts(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    parts = [{"type": "text", "text": "Figure 1: The "}, {"type": "text", "text": "liver."}]
    endpoint.replies(says(parts), says("<think>\nWell.\n</think>\nThe  spleen."), says("Kidneys."))
    assert [c.report for c in caption(cases, maker()).cases] == ["The liver.", "The spleen.", "Kidneys."]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_busy_endpoint_is_asked_again(status: int, endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.replies((status, {"Retry_After": "0.05"}, b"busy"), (status, {}, b""), says("The liver."))
    made = maker().caption(cases[0])
    assert made == Made("The liver.", "whole volume") and len(endpoint.asked) == 3


def test_the_limit_leaves_a_volume_without_a_text(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.replies(*[(500, {}, b'{"error": "no memory"}')] * 3, says("The liver."))
    made = caption(cases, maker())
    assert [bool(c.report) for c in made.cases] == [False, True, True]
    assert made.notes == ("1 volume was left without a new text: the endpoint answered 500: no memory, 3 times.",)
    assert len(endpoint.asked) == 5


def test_an_endpoint_that_asks_for_hours_is_not_waited_for(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.replies((429, {"Retry_After": "7200"}, b""), says("The liver."))
    left = maker().caption(cases[0])
    assert isinstance(left, Left) and "429 and asks to wait 7200 s" in left.why and len(endpoint.asked) == 1


def test_a_slow_endpoint(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    def slow(request: object) -> Reply:
        endpoint.ended.wait(5)
        return says("Too late.")

    endpoint.rules = [slow, lambda request: says("In time.")]
    patience = replace(QUICK, timeout=0.3)
    assert maker(patience=patience).caption(cases[0]) == Made("In time.", "whole volume")
    endpoint.rules = [slow]
    left = maker(patience=patience, fresh=True).caption(cases[0])
    assert isinstance(left, Left) and left.why == "the endpoint gave no answer within 0.3 s, 3 times"


def test_an_answer_that_drips(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    """No single wait is long, all of them are."""
    endpoint.drip = 0.05
    left = maker(patience=Patience(timeout=0.4, attempts=1)).caption(cases[0])
    assert isinstance(left, Left) and "no answer within 0.4 s" in left.why


def test_a_connection_that_breaks(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.rules = [lambda request: None, lambda request: says("The liver.")]
    assert maker().caption(cases[0]) == Made("The liver.", "whole volume")


def test_an_endpoint_that_is_gone_ends_the_run(cases: list[Case], cache: Path) -> None:
    maker = EndpointMaker("http://127.0.0.1:9/v1", "tiny", patience=replace(QUICK, attempts=2))
    with pytest.raises(MakerStopped, match=f"{GIVE_UP} volumes in a row"):
        caption(cases, maker)


@pytest.mark.parametrize(
    ("status", "said"), [(401, "MEDVLP_ENDPOINT_KEY"), (403, "refuses"), (404, "--endpoint-model")]
)
def test_a_wrong_key_or_model_ends_the_run_at_once(
    status: int, said: str, endpoint: Endpoint, maker: Make, cases: list[Case]
) -> None:
    endpoint.replies((status, {}, json.dumps({"error": {"message": f"Bad key {KEY}"}}).encode()))
    with pytest.raises(MakerStopped, match=said) as stopped:
        caption(cases, maker(key=KEY))
    assert len(endpoint.asked) == 1 and KEY not in str(stopped.value)


def test_the_key_is_sent_and_shown_nowhere(endpoint: Endpoint, maker: Make, cases: list[Case], cache: Path) -> None:
    told: list[str] = []
    made = caption(cases[:1], maker(key=f"{KEY}\n", tell=told.append))
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"
    kept = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert KEY not in repr((made, told, endpoint.asked)) and KEY.encode() not in kept


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "two words", "\x1b[31m"])
def test_a_key_that_is_none(key: str, maker: Make) -> None:
    with pytest.raises(UsageError, match="MEDVLP_ENDPOINT_KEY") as refused:
        maker(key=key)
    assert key not in str(refused.value)


def test_redirects_stay_with_the_server(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.replies((307, {"Location": "/v2/chat/completions"}, b""), says("The liver."))
    assert maker(key=KEY).caption(cases[0]) == Made("The liver.", "whole volume")
    assert endpoint.paths[1] == "/v2/chat/completions" and endpoint.asked[0] == endpoint.asked[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["https://elsewhere.example/v1", "http://127.0.0.1:1/", "//elsewhere.example", "", "http://[", "ftp:x"]
)
def test_redirects_elsewhere_are_refused(
    status: int, location: str, endpoint: Endpoint, maker: Make, cases: list[Case]
) -> None:
    endpoint.replies((status, {"Location": location}, b""))
    with pytest.raises(MakerStopped, match="leads to another address"):
        maker().caption(cases[0])
    assert len(endpoint.asked) == 1


def test_redirects_in_circles(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    endpoint.replies((308, {"Location": "/v1/chat/completions"}, b""))
    with pytest.raises(MakerStopped, match="round in circles"):
        maker().caption(cases[0])


def test_a_proxy_of_the_environment_is_not_used_for_this_computer(
    endpoint: Endpoint, maker: Make, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(maker().caption(cases[0]), Made)


def test_without_labels_nothing_is_asked(endpoint: Endpoint, maker: Make, cases: list[Case]) -> None:
    left = maker().caption(replace(cases[0], label=None, labels={}))
    assert isinstance(left, Left) and "--model" in left.why and not endpoint.asked


def test_other_computers_need_leave(cache: Path) -> None:
    with pytest.raises(UsageError, match=r"measured facts .* would leave it. .*--allow-upload"):
        EndpointMaker("https://api.example/v1", "big")
    told: list[str] = []
    maker = EndpointMaker(
        "http://api.example/v1", "big", send="slices", allow_upload=True, patience=QUICK, tell=told.append
    )
    assert maker.version == "big" and not told

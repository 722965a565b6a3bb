"""What the tests of captions share: labelled volumes on disk, and a real HTTP server that misbehaves as it is told."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.manifest import Case, read_manifest

Reply = tuple[int, dict[str, str], bytes]
Rule = Callable[[dict[str, Any]], Reply | None]


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Three CT phantoms with label maps and without texts. Do not change them."""
    manifest = make_studies(3, 6, tmp_path_factory.mktemp("studies"), (15.0, 15.0, 15.0))
    return [replace(case, report="", image=case.image.resolve()) for case in read_manifest(manifest)]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background makes them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def says(text: object, status: int = 200, **headers: str) -> Reply:
    """An answer as OpenAI's API gives it."""
    return status, headers, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@dataclass
class Endpoint:
    """An OpenAI-compatible server on this computer.

    Attributes:
        rules: what happens to the first, second, … request; the last one goes for all that follow. A rule takes the
            request's JSON; one that returns None closes the connection without an answer.
        asked: the JSON of each request; `headers` and `paths` beside it.
        drip: seconds after each byte of an answer.
    """

    url: str
    rules: list[Rule] = field(default_factory=lambda: [lambda request: says("The liver is seen.")])
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    drip: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def replies(self, *replies: Reply) -> None:
        self.rules = [lambda request, reply=reply: reply for reply in replies]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state: Endpoint

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append(json.loads(body))
            state.headers.append(dict(self.headers))
            state.paths.append(self.path)
            reply = state.rules[min(len(state.asked), len(state.rules)) - 1](state.asked[-1])
            if reply is None:
                return
            status, headers, answer = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            for byte in answer if state.drip else ():
                self.wfile.write(bytes([byte]))
                state.ended.wait(state.drip)
            self.wfile.write(b"" if state.drip else answer)

        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client had no patience any more
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield state
        state.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for answers that are kept."""
    monkeypatch.setenv("MEDVLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"

"""The worker process: `python -m vlp3d_core.service.worker --folder FOLDER`, started by `client.Worker`.

Standard input brings messages and standard output takes them (see `protocol.py`). Whatever a library prints goes to
standard error. A thread reads, so that a cancel is heard while the main thread works; when its input ends, because the
client is gone in whatever way, the process ends at once.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import platform
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

import vlp3d_core
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.arrays import discard
from vlp3d_core.service.desk import Desk
from vlp3d_core.service.failure import explain, out_of_memory
from vlp3d_core.service.handlers import Handlers, import_cards, import_engine
from vlp3d_core.service.protocol import (
    MAX_REQUEST,
    NOTICES,
    QUICK,
    Garbage,
    Request,
    error_message,
    lines,
    pack,
    parse_request,
    text_of,
    unpack,
    whole_of,
)
from vlp3d_core.service.shelf import Shelf


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="private folder through which voxels travel")
    folder = parser.parse_args().folder
    incoming, outgoing = _take_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's
    faulthandler.enable()
    Service(folder, incoming, outgoing).run()


class Service:
    """The threads of the worker and what they share."""

    def __init__(self, folder: Path, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._folder = folder
        self._incoming, self._outgoing = incoming, outgoing
        self._writing = threading.Lock()
        self._desk = Desk(self._send)
        self._shelf = Shelf(folder)
        self._handlers = Handlers(folder, self._shelf)

    def run(self) -> NoReturn:
        """Greet and work until the client is gone."""
        self._send({"event": "ready", "version": vlp3d_core.__version__, "python": platform.python_version()})
        # Quick requests import on threads of their own: what all of them need is imported before the first is read.
        with contextlib.suppress(Exception):  # each request says what is missing
            import_cards()
        threading.Thread(target=self._read, name="read", daemon=True).start()
        while True:
            self._do(self._desk.take())

    def _do(self, request: Request) -> None:
        number, begin = request.id, time.perf_counter()
        _log(f"job {number} {request.do}")
        result = None
        try:
            result = self._handlers.work(
                request,
                lambda progress: self._desk.tell(number, {"event": "progress", **progress}),
                lambda: not self._desk.wanted(number),
            )
            message = {"event": "result", "result": result}
            pack(message)
        except Cancelled:
            message = {"event": "cancelled"}
        except BaseException as error:  # whatever a library raises, SystemExit too: the worker stays
            message = {"event": "error", "error": self._failure(error)}
        if not self._desk.finish(number, message) or message["event"] != "result":
            discard(self._folder, result)
        _log(f"job {number} {message['event']}, {time.perf_counter() - begin:.2f} s")

    def _failure(self, error: BaseException) -> dict[str, Any]:
        if not isinstance(error, MedVLPError):
            traceback.print_exception(error)
        if out_of_memory(error):
            error.__traceback__ = None  # its frames hold what filled the memory
            self._handlers.free_memory()
        return error_message(explain(error))

    def _answer_quickly(self, request: Request) -> None:
        """`hello` and `models`, each on a thread of its own beside the work."""
        try:
            message = {"event": "result", "result": self._quick_result(request.do)}
            pack(message)
        except BaseException as error:
            message = {"event": "error", "error": self._failure(error)}
        self._desk.finish(request.id, message)

    def _quick_result(self, do: str) -> Any:
        if do == "models":
            from vlp3d_core.service.catalogue import catalogue

            self._handlers.models.look_again()
            return catalogue()
        import_engine()
        from vlp3d_core.service.machine import describe

        return describe()

    def _read(self) -> None:
        """Take messages until the client is gone; never works itself."""
        try:
            for line in lines(self._incoming, MAX_REQUEST):
                self._take(line)
        except BaseException:
            traceback.print_exc()
        self._leave()

    def _take(self, line: bytes | None) -> None:
        message: dict[str, Any] = {}
        try:
            if line is None:
                raise Garbage("The line is too long.")
            message = unpack(line)
            if message.get("do") in NOTICES:
                self._notice(text_of(message, "do"), message)
                return
            request = parse_request(message)
            if request.do in QUICK:
                self._desk.open(request)
                threading.Thread(target=self._answer_quickly, args=(request,), name=request.do, daemon=True).start()
            else:
                self._desk.put(request)
        except Garbage as error:
            number = message.get("id")
            known = isinstance(number, int) and not isinstance(number, bool) and abs(number) <= 1 << 53
            told = MedVLPError(f"The worker cannot read a request: {error}", "Install the extension again.")
            self._send({"id": number if known else None, "event": "error", "error": error_message(told)})

    def _notice(self, do: str, message: dict[str, Any]) -> None:
        if do == "shutdown":
            self._leave()
        elif do == "cancel":
            self._desk.cancel(whole_of(message, "id"))
        elif do == "volume":
            self._shelf.put(whole_of(message, "volume"), message)
        else:
            self._shelf.release(whole_of(message, "volume"))

    def _send(self, message: Mapping[str, Any]) -> None:
        data = pack(message)
        try:
            with self._writing:
                self._outgoing.write(data)
                self._outgoing.flush()
        except (OSError, ValueError):
            self._leave()

    def _leave(self) -> NoReturn:
        """End now, whatever the other threads are in the middle of; nobody needs the folder any more."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)


def _take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes for our own use; what libraries and their children read is empty, what they print goes to stderr."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore
    return incoming, outgoing


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

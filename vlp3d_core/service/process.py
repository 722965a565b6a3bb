"""The worker's process as its owner sees it: how it is started, written to, read from and ended."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.failure import missing
from vlp3d_core.service.folder import PrivateFolder
from vlp3d_core.service.protocol import MAX_ANSWER, Garbage, lines, pack, text_of, unpack

MISSING = re.compile(r"No module named '?(\w+)")
AGAIN = "Try again: it starts anew by itself. The details show its last words."
SMALLER = "Try again with a smaller region of interest, or close other programs: it starts anew by itself."
Launcher = Callable[[Sequence[str], dict[str, str]], "subprocess.Popen[bytes]"]
"""Starts a command with an environment and three binary pipes, as `launch` does."""
Inbox = queue.SimpleQueue[tuple["Process | None", dict[str, Any]]]


def launch(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, without a console window: a Ctrl-C in a terminal does not reach it."""
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, **options)


class Process:
    """One life of the worker, from its start to its end.

    What it says is put into `inbox` by a thread; its last words are `{"event": "lost", "error": MedVLPError}`, after
    which nothing comes. Nothing here waits for it but `close`.

    Raises:
        MedVLPError: there is no such Python, or no temporary folder.
    """

    def __init__(
        self,
        python: str,
        environment: Mapping[str, str],
        launcher: Launcher,
        inbox: Inbox,
        stderr: deque[str],
    ) -> None:
        self.python = python
        self.ready = False
        self.lost = False
        self._inbox = inbox
        self._stderr = stderr
        self._said: deque[str] = deque(maxlen=20)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._folder = PrivateFolder()
        command = [python, "-m", "vlp3d_core.service.worker", "--folder", str(self.folder)]
        try:
            self._child = launcher(command, environment_for_package(environment))
        except (OSError, ValueError) as error:
            self._folder.remove()
            reason = getattr(error, "strerror", None) or error
            raise MedVLPError(
                f"The Python {python} cannot be started: {reason}.", "Name another one, or install the extension again."
            ) from error
        # A launcher may have made no group of its own; the one that we are in must not be ended.
        self._leads_group = False
        with contextlib.suppress(OSError, AttributeError):
            self._leads_group = os.getpgid(self._child.pid) == self._child.pid
        self._thread(self._write)
        self._thread(self._read, self._thread(self._read_stderr))
        self._thread(self._watch)

    @property
    def folder(self) -> Path:
        return self._folder.path

    @property
    def alive(self) -> bool:
        return not self.lost and self._child.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand a message over; it is written by a thread, so a worker that does not read holds nobody up."""
        self._outbox.put(pack(message))

    def close(self, patience: float = 1.0) -> None:
        """End it and all that it started, and remove its folder. It gets `patience` seconds to go by itself."""
        self._outbox.put(pack({"do": "shutdown"}))
        self._outbox.put(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(patience)
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)  # longer, and the system itself is stuck with it
        self._folder.remove()

    def kill(self) -> None:
        """End it and all that it started at once; nothing happens when it is gone already."""
        if self._child.poll() is not None:
            return
        if sys.platform == "win32":
            command = ["taskkill", "/F", "/T", "/PID", str(self._child.pid)]
            subprocess.run(command, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW, check=False)
        self._kill_group()
        with contextlib.suppress(OSError):
            self._child.kill()

    def _kill_group(self) -> None:
        if sys.platform != "win32" and self._leads_group:
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def _thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name=f"worker{work.__name__}", daemon=True)
        thread.start()
        return thread

    def _write(self) -> None:
        pipe = self._child.stdin
        assert pipe is not None
        with contextlib.suppress(OSError, ValueError):  # it is gone: the reader says so
            while (data := self._outbox.get()) is not None:
                pipe.write(data)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()

    def _read(self, stderr_reader: threading.Thread) -> None:
        garbage = False
        pipe = self._child.stdout
        assert pipe is not None
        with pipe:
            try:
                for line in lines(pipe, MAX_ANSWER):
                    message = _heard(line)
                    self.ready = self.ready or message["event"] == "ready"
                    self._inbox.put((self, message))
            except Garbage:
                garbage = True
        self.kill()
        self._child.wait()
        stderr_reader.join(1.0)
        self.lost = True
        self._outbox.put(None)
        error = MedVLPError("The worker sent something that cannot be read, and was ended.", AGAIN)
        self._inbox.put((self, {"event": "lost", "error": error if garbage else self._last_words()}))

    def _read_stderr(self) -> None:
        pipe = self._child.stderr
        assert pipe is not None
        with pipe:
            for line in pipe:
                text = line.decode("utf-8", "replace").rstrip()[:2000]
                self._said.append(text)
                self._stderr.append(text)

    def _watch(self) -> None:
        """Where a launcher started the worker and is gone, the worker itself still runs: it has to go too."""
        self._child.wait()
        self._outbox.put(None)
        self._kill_group()

    def _last_words(self) -> MedVLPError:
        code = self._child.returncode
        if code in (-9, 137):
            return MedVLPError("The worker was ended by the system, perhaps because memory ran out.", SMALLER)
        if not self.ready:
            return self._cannot_start(code)
        if code is not None and code < 0:
            return MedVLPError(f"The worker was ended ({_signal_name(-code)}).", AGAIN)
        return MedVLPError(f"The worker ended unexpectedly (exit code {code}).", AGAIN)

    def _cannot_start(self, code: int | None) -> MedVLPError:
        for text in reversed(self._said):
            if found := MISSING.search(text):
                return missing(found[1], self.python)
        last = next((text for text in reversed(self._said) if text.strip()), "")
        return MedVLPError(f"The worker could not start (exit code {code}){': ' if last else ''}{last[:300]}.", AGAIN)


def _heard(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise Garbage("The line is too long.")
    message = unpack(line)
    if text_of(message, "event") == "lost":
        raise Garbage("Only we say that.")
    return message


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

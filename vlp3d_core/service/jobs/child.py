"""The command of a job as a process: started in a group of its own, asked to stop, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.log import Log
from vlp3d_core.service.jobs.owner import Owner

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class Child:
    """A running command. Its errors go to the log, line by line, its result (standard output) to a file.

    Args:
        command: the program and its arguments; no shell reads them.
        result: the file, replaced.
        keep: an open file that the command keeps open as long as it runs, such as a lock.

    Raises:
        MedVLPError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        result: Path,
        log: Log,
        keep: IO[bytes] | None = None,
    ) -> None:
        options: dict[str, Any] = {"start_new_session": True, "pass_fds": (keep.fileno(),) if keep else ()}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        elif sys.platform == "linux":
            options["preexec_fn"] = _stop_with_parent()
        try:
            with result.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.PIPE,
                    **options,
                )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MedVLPError(f"{command[0]} cannot be started: {reason}.", "Check that it is installed.") from error
        self.owner = Owner.of(self._process.pid)
        self._log = log
        self._reader = threading.Thread(target=self._read, name="log", daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ask(self) -> None:
        """Ask it to save and stop. Only the command itself: its data-loading processes belong to it.

        On Windows there is no such signal, and it is ended: what its last checkpoint has is kept.
        """
        with contextlib.suppress(OSError):
            self._process.terminate()

    def finish(self) -> None:
        """End what it has left behind, and have all of its last words in the log."""
        end_tree(self.owner, ours=True)
        self._process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            while line := pipe.readline(20_000):
                self._log.add(line)


def end_tree(leader: Owner, ours: bool = False) -> None:
    """End a process that leads a group, everything in its group, and all that these have started, at once.

    Args:
        ours: it is, or was just now, a child of this process: then its group is ended even when it is gone itself.
    """
    import psutil

    found = []
    alive = start_is(leader)
    if alive:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(leader.pid)
            found = [*process.children(recursive=True), process]
    if sys.platform != "win32" and (alive or ours):
        with contextlib.suppress(OSError):
            os.killpg(leader.pid, signal.SIGKILL)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()


def start_is(owner: Owner) -> bool:
    """Whether that very process runs, on this computer."""
    return owner.here and not owner.gone


def _stop_with_parent() -> Callable[[], None]:
    """Linux asks a command to stop when its supervisor was killed: it saves, and nobody is left with a GPU in hand."""
    import ctypes

    library = ctypes.CDLL(None)

    def prepare() -> None:
        library.prctl(_DEATH_SIGNAL, signal.SIGTERM)

    return prepare

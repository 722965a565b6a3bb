"""The process that looks after one job on this computer: `python -m vlp3d_core.service.jobs.supervisor FOLDER`.

It waits for the job's turn and for memory, runs the command, and writes every change of state. It belongs to nobody:
the program that submitted the job may end. Whoever wants something of it leaves a file in the job's folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import IO

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.attempt import Attempt
from vlp3d_core.service.jobs.child import end_tree, start_is
from vlp3d_core.service.jobs.devices import DEFAULT_GB, GB, environment_on, memory_of
from vlp3d_core.service.jobs.folder import SUPERVISED, JobFolder
from vlp3d_core.service.jobs.log import Log
from vlp3d_core.service.jobs.owner import Owner
from vlp3d_core.service.jobs.queue import Queue
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import now, read_state
from vlp3d_core.service.locks import locked

POLL = 0.2
MEMORY_POLL = 3.0
"""Seconds between two looks at the queue, and at the memory."""


class Leave(Exception):
    """The job shall not run: the state that it ends in, and why."""

    def __init__(self, state: str, note: str = "", error: MedVLPError | None = None) -> None:
        super().__init__(note)
        self.state, self.note, self.error = state, note, error


class Supervisor:
    """Looks after one queued job until its end.

    Raises:
        MedVLPError: the job's files cannot be used.
    """

    def __init__(self, job: JobFolder) -> None:
        self.job, self.log = job, Log(job.path)
        self.interrupted = False
        self.state = job.note(read_state(job.path), owner=Owner.of(os.getpid()))
        self.device = str(self.state.target.get("device", "cpu"))
        self.queue = Queue(job.path.parent, self.device)

    def run(self) -> None:
        """Everything, until the job has ended."""
        try:
            spec = self.job.spec()
            with self._turn() as device:
                self._leftovers(spec)
                self._memory(spec)
                self._say(f"Attempt {self.state.attempt} on {self.device}.")
                attempt = Attempt(self.job, spec, self.state, self.log, environment_on(self.device), device)
                self.state = attempt.run(lambda: self.interrupted)
        except Leave as leave:
            self._end(leave.state, leave.note, leave.error)
        except MedVLPError as error:
            self._say(str(error))
            self._end("failed", "", error)
        except Exception as error:
            self._say(traceback.format_exc())
            self._end("failed", "", MedVLPError(f"The job's supervisor failed: {error!r}.", "Its log says more."))
        finally:
            self.queue.leave(self.job)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM: the computer shuts down."""
        self.interrupted = True

    def _turn(self) -> IO[bytes]:
        """Wait until the device is this job's; it is while the file is open."""
        while True:
            other = self.queue.before(self.job)
            if not other and (device := self.queue.take()) is not None:
                return device
            self._wait(f"It waits for the job {other}." if other else f"It waits for the device {self.device}.", POLL)

    def _leftovers(self, spec: JobSpec) -> None:
        """The command of an earlier attempt whose supervisor was killed may still be saving."""
        end = time.monotonic() + spec.resources.stop_seconds
        before = self.state.command
        while before is not None and start_is(before):
            if time.monotonic() > end:
                end_tree(before)
            self._wait("It waits until its earlier command has ended.", POLL)

    def _memory(self, spec: JobSpec) -> None:
        """Wait until there is as much free memory as the job asks for.

        Raises:
            Leave: there will never be.
        """
        asked = (spec.resources.memory_gb or DEFAULT_GB) * GB
        while (memory := memory_of(self.device)) is not None and memory.free < asked:
            where = "This computer has" if self.device == "cpu" else f"The device {self.device} has"
            if memory.total < asked:
                cause = f"The job asks for {asked / GB:.1f} GB of memory. {where} {memory.total / GB:.1f} GB."
                raise Leave("failed", "", MedVLPError(cause, "Use a smaller batch or patch, and ask for less."))
            self._wait(
                f"It waits for {asked / GB:.1f} GB of memory, and {memory.free / GB:.1f} GB are free.", MEMORY_POLL
            )

    def _wait(self, why: str, seconds: float) -> None:
        """Raises `Leave` when the job was asked to stop meanwhile."""
        if self.job.asked_to_stop:
            raise Leave("cancelled", "It had not begun.")
        if self.interrupted:
            raise Leave("lost", "", MedVLPError("The computer was shut down while the job waited.", "Resume it."))
        if not self.job.path.is_dir():
            raise SystemExit(0)  # somebody has deleted it
        if why.partition(",")[0] != self.state.note.partition(",")[0]:  # not for every megabyte
            self.state = self.job.note(self.state, note=why)
            self._say(why)
        time.sleep(seconds)

    def _end(self, state: str, note: str, error: MedVLPError | None) -> None:
        self.job.make_room()
        self.state = self.job.change(state, note, known=self.state, error=error)

    def _say(self, text: str) -> None:
        self.log.add(f"[{now()}] {text}")


def main() -> int:
    job = JobFolder(Path(sys.argv[1]).absolute())
    with (job.path / SUPERVISED).open("ab") as alone:
        if not locked(alone):
            return 1  # it is looked after already
        supervisor = Supervisor(job)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, supervisor.interrupt)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One attempt at a job: its command is run, watched and stopped, and its end is written down.

This is what any target does once a job may run on a computer, whoever gave it the place.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.jobs.child import Child, end_tree
from vlp3d_core.service.jobs.command import arguments
from vlp3d_core.service.jobs.doing import FILE, VARIABLE
from vlp3d_core.service.jobs.folder import RESULT, JobFolder
from vlp3d_core.service.jobs.log import Log
from vlp3d_core.service.jobs.outcome import Outcome, outcome
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, now
from vlp3d_core.train.slurm import JOB

POLL = 0.1
"""Seconds between two looks at the command."""
SYSTEM_SECONDS = 10.0
"""A computer that shuts down asks the command itself to stop; who asks it twice interrupts what it saves."""
TRIES, PAUSE = 60, 1.0
"""How often, and how many seconds apart, the end is written on a disk that is full."""
ENDED = MedVLPError(
    "The job was stopped from outside: the computer shut down, or its supervisor was told to end.",
    "Resume it: it goes on from its last checkpoint.",
)


class Attempt:
    """Runs a job that may run now.

    Args:
        job: queued.
        state: its state as it is known.
        more: environment variables of the command, beside those of this process.
        keep: an open file that the command keeps open, such as the lock of its device.
    """

    def __init__(
        self, job: JobFolder, spec: JobSpec, state: State, log: Log, more: Mapping[str, str], keep: IO[bytes] | None
    ) -> None:
        self.job, self.spec, self.state, self.log = job, spec, state, log
        self._keep, self._asked, self._killed = keep, False, False
        base = {**os.environ, **more, "PYTHONUNBUFFERED": "1", JOB: job.id}
        self._environment = environment_for_package(base)

    def run(self, interrupted: Callable[[], bool]) -> State:
        """From "running" to the end.

        Args:
            interrupted: asked often; True when this process itself was told to end.

        Raises:
            MedVLPError: nothing can be written any more. The job is lost then.
        """
        words = arguments(self.spec, self.job.path, self.job.resumable(self.spec))
        self._change("running", command=None)
        self.say(f"vlp3d {' '.join(words)}")
        command = [sys.executable, "-m", "vlp3d_core.cli.main", *words]
        doing = self.job.path / FILE
        try:
            doing.unlink(missing_ok=True)
            environment = {**self._environment, VARIABLE: str(doing)}
            child = Child(command, environment, self.job.path, self.job.path / RESULT, self.log, keep=self._keep)
        except (MedVLPError, OSError) as error:
            known = error if isinstance(error, MedVLPError) else MedVLPError(str(error))
            return self._end(Outcome("failed", error=known))
        with contextlib.suppress(MedVLPError):
            self.state = self.job.note(self.state, command=child.owner)
        code = self._wait(child, interrupted)
        child.finish()
        self.say(f"The command ended with exit code {code}.")
        found = outcome(code, self._asked, self._killed, self.job.path / RESULT, self.log.last)
        if found.state != "done" and (interrupted() or self.due) and not self.job.asked_to_stop:
            found = self.cut_short(found)
        return self._end(found)

    @property
    def due(self) -> bool:
        """Whether the job's time on this computer is nearly over, and it is to save."""
        return False

    def cut_short(self, found: Outcome) -> Outcome:
        """What it means that the job was stopped by nobody who wanted to cancel it."""
        return Outcome("lost", found.note, ENDED)

    def say(self, text: str) -> None:
        """A line of the supervisor's own in the log."""
        self.log.add(f"[{now()}] {text}")

    def _wait(self, child: Child, interrupted: Callable[[], bool]) -> int:
        since: float | None = None
        told = False
        while (code := child.code) is None:
            if since is None and (interrupted() or self.job.asked_to_stop or self.due):
                since, self._asked = time.monotonic(), True
                with contextlib.suppress(MedVLPError):
                    self._change("finishing", "It saves and stops.")
            if since is not None:
                waited = time.monotonic() - since
                if not told and (waited > SYSTEM_SECONDS or self.job.asked_to_stop or self.due):
                    told = True
                    child.ask()
                if waited > self.spec.resources.stop_seconds and not self._killed:
                    self._killed = True
                    end_tree(child.owner, ours=True)
            time.sleep(POLL)
        return code

    def _end(self, found: Outcome) -> State:
        """Write down how it ended; a full disk gets some time to have room again."""
        error: MedVLPError | None = None
        for _ in range(TRIES):
            try:
                if found.state == "done" and self.state.state == "running":
                    self._change("finishing")
                self._change(found.state, found.note, error=found.error)
                return self.state
            except MedVLPError as problem:
                error = problem
                self.job.make_room()
                time.sleep(PAUSE)
        assert error is not None
        raise error

    def _change(self, to: str, note: str = "", **more: Any) -> None:
        self.state = self.job.change(to, note, known=self.state, **more)

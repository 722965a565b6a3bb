"""Jobs on this computer: each has a supervisor, a process that outlives whoever submitted the job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.jobs.devices import choose
from vlp3d_core.service.jobs.folder import JobFolder
from vlp3d_core.service.jobs.log import LOG, read_log
from vlp3d_core.service.jobs.owner import Owner
from vlp3d_core.service.jobs.queue import Queue
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, read_state, write_state

_started: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process has started: the remains of those that have ended must be fetched."""


class LocalTarget:
    """This computer.

    Args:
        root: the folder of jobs.
        python: the interpreter that has torch; None is the one that runs this.
        environment: of the supervisors and commands; None is that of this process.
    """

    name = "local"
    place = None

    def __init__(self, root: Path, python: str | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.root, self.python = root, python or sys.executable
        self.environment = environment

    def check(self, spec: JobSpec) -> None:
        choose(self.root, spec)

    def submit(self, job: JobFolder, spec: JobSpec) -> None:
        device = choose(self.root, spec)
        us = Owner.of(os.getpid())
        job.note(read_state(job.path), owner=us, target={"device": device})
        queue = Queue(self.root, device)
        queue.enter(job)
        try:
            supervisor = self._start(job)
        except MedVLPError:
            queue.leave(job)
            raise
        with job.locked():
            state = read_state(job.path)
            if state.owner == us and not state.ended:  # else it has said so itself already
                write_state(job.path, replace(state, owner=Owner.of(supervisor)))

    def state(self, job: JobFolder, wait: float) -> State:
        return job.state()

    def cancel(self, job: JobFolder) -> None:
        job.ask_to_stop()

    def log(self, job: JobFolder) -> str:
        return read_log(job.path)

    def _start(self, job: JobFolder) -> int:
        """The process number of a new supervisor."""
        _started[:] = [process for process in _started if process.poll() is None]
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        command = [self.python, "-m", "vlp3d_core.service.jobs.supervisor", str(job.path)]
        environment = environment_for_package(os.environ if self.environment is None else self.environment)
        try:
            with (job.path / LOG).open("ab") as log:  # what it says itself, should it fail at once
                process = subprocess.Popen(
                    command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MedVLPError(
                f"The job cannot be started with {self.python}: {reason}.", "Install the extension again."
            ) from error
        _started.append(process)
        return process.pid

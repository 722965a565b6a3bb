"""Where jobs run. A target knows how to start a job and what has become of it; everything else lies in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vlp3d_core.service.jobs.folder import JobFolder
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State


class Target(Protocol):
    """One place for jobs: this computer, or a profile of a cluster. No method waits for a job."""

    @property
    def name(self) -> str:
        """As in a spec: "local", "slurm:PROFILE"."""
        ...

    @property
    def place(self) -> Path | None:
        """Where folders of its jobs lie; None is the folder of all jobs."""
        ...

    def check(self, spec: JobSpec) -> None:
        """Raise MedVLPError when the target cannot run such a job, before there is a folder for it."""
        ...

    def submit(self, job: JobFolder, spec: JobSpec) -> None:
        """Start a job that is queued, or go on with it where there is a checkpoint (`JobFolder.resumable`).

        What the target must remember it writes into `State.target`.

        Raises:
            MedVLPError: it cannot be started.
        """
        ...

    def state(self, job: JobFolder, wait: float) -> State:
        """The state; it is changed here where the target knows better than the folder, as of a job that is lost.

        Args:
            wait: seconds that may pass until others have answered; 0 does with what they last said.

        Raises:
            MedVLPError: it cannot be read.
        """
        ...

    def cancel(self, job: JobFolder) -> None:
        """Ask a job that has not ended to save and stop."""
        ...

    def log(self, job: JobFolder) -> str:
        """What there is of its log."""
        ...

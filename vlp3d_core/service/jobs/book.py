"""The book of jobs: submit, look at, stop, resume, remove. All that a panel or a command needs of jobs.

jobs = Jobs()
id = jobs.submit(read_spec("job.json"))
jobs.show(id).state                 # or a Watch, for many, from a timer
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.jobs.folder import CANCEL, JobFolder, create, find
from vlp3d_core.service.jobs.local import LocalTarget
from vlp3d_core.service.jobs.owner import Owner
from vlp3d_core.service.jobs.settings import settings_of
from vlp3d_core.service.jobs.slurm.profile import path_of, read_profile
from vlp3d_core.service.jobs.slurm.target import SlurmTarget
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, now, read_state
from vlp3d_core.service.jobs.target import Target
from vlp3d_core.service.jobs.view import JobView, Watch, WatchedJob

WAIT = 10.0
"""Seconds that the answer of a cluster may take."""
LEAVING = 5.0
"""Seconds that a supervisor may take to go after it has written the end of its job."""


class Jobs:
    """The jobs of one folder.

    Args:
        root: the folder; None is `default_root()`.
        python, environment: of jobs on this computer, see `LocalTarget`.
    """

    def __init__(
        self, root: Path | None = None, python: str | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.root = (root or default_root()).absolute()
        self._local = LocalTarget(self.root, python, environment)
        self._clusters: dict[str, tuple[int, SlurmTarget]] = {}

    def submit(self, spec: JobSpec) -> str:
        """Start a job; returns its id at once.

        Raises:
            MedVLPError: the target, the recipe or the manifest cannot be used; then there is no job.
        """
        target = self.target(spec.target)
        check(spec)
        target.check(spec)
        state = State(owner=Owner.of(os.getpid()), changes=(("queued", now()),))
        job = create(self.root, spec, state, target.place)
        try:
            target.submit(job, job.spec())
        except BaseException:
            job.remove()
            raise
        return job.id

    def find(self, wanted: str) -> JobFolder:
        """By id, its beginning, or its number; raises what `folder.find` raises."""
        return find(self.root, wanted)

    def show(self, wanted: str) -> JobView:
        watched = WatchedJob(self.find(wanted), self.state)
        watched.refresh()
        return watched.view

    def list(self, wait: float = WAIT) -> list[JobView]:
        """In the order of submission. A job whose files are damaged is among them, with an error.

        Args:
            wait: seconds that a cluster's answer may take.
        """
        watch = Watch(self.root, lambda job, spec: self.state(job, spec, wait))
        watch.refresh()
        return [job.view for job in watch.jobs.values()]

    def watch(self) -> Watch:
        """For a timer: keeps what it has read, and does not wait for a cluster's answers."""
        return Watch(self.root, lambda job, spec: self.state(job, spec, 0.0))

    def cancel(self, wanted: str) -> JobFolder:
        """Ask a job to save and stop; returns at once.

        Raises:
            MedVLPError: it has ended.
        """
        job = self.find(wanted)
        spec = job.spec()
        state = self.state(job, spec, 0.0)
        if state.ended:
            raise MedVLPError(f"The job {job.id} is {state.state}.", "Only a job that waits or runs can be cancelled.")
        self.target(spec.target).cancel(job)
        return job

    def resume(self, wanted: str) -> JobFolder:
        """Put a job that failed, was cancelled or lost back into its queue: from its checkpoint, else from the start.

        Raises:
            MedVLPError: it has not ended, is done, or is still looked after.
        """
        job = self.find(wanted)
        spec = job.spec()
        target = self.target(spec.target)
        try:
            state = self.state(job, spec)
            supervised = _supervised(job, state.ended)
        except MedVLPError:  # damaged: its folder has everything else
            state, supervised = State("lost"), job.supervised
        if state.state not in ("failed", "cancelled", "lost") or supervised:
            word = "running" if supervised else state.state
            raise MedVLPError(f"The job {job.id} is {word}.", "Only a job that failed or was stopped can be resumed.")
        target.check(spec)
        (job.path / CANCEL).unlink(missing_ok=True)
        us = Owner.of(os.getpid())
        before = job.change("queued", known=state, owner=us, attempt=state.attempt + 1)
        try:
            target.submit(job, spec)
        except BaseException:
            job.change(state.state, state.note, known=before, error=state.error)
            raise
        return job

    def remove(self, wanted: str) -> JobFolder:
        """Delete a job with all that it has made.

        Raises:
            MedVLPError: it waits or runs.
        """
        job = self.find(wanted)
        try:
            state = self.state(job, job.spec())
            supervised = _supervised(job, state.ended)
        except MedVLPError:
            state, supervised = State("lost"), job.supervised
        if supervised or not state.ended:
            raise MedVLPError(f"The job {job.id} waits or runs.", "Cancel it first.")
        job.remove()
        return job

    def state(self, job: JobFolder, spec: JobSpec | None, wait: float = WAIT) -> State:
        """What the job's target says; what its folder says where nobody knows the target.

        Args:
            wait: seconds that a cluster's answer may take.
        """
        if spec is None:
            return read_state(job.path) if job.supervised else job.state()
        if spec.target != self._local.name and (state := read_state(job.path)).ended:
            return state  # its profile may be gone
        return self.target(spec.target).state(job, wait)

    def target(self, name: str) -> Target:
        """Raises UsageError for a target that is not known, and MedVLPError for a profile that cannot be used."""
        if name == self._local.name:
            return self._local
        kind, _colon, profile = name.partition(":")
        if kind != "slurm":
            raise UsageError(f"There is no target {name!r}.", "`vlp3d jobs targets` shows them.")
        date = path_of(profile).stat().st_mtime_ns
        known = self._clusters.get(profile)
        if known is None or known[0] != date:
            known = self._clusters[profile] = date, SlurmTarget(read_profile(profile))
        return known[1]


def _supervised(job: JobFolder, ended: bool) -> bool:
    """Whether somebody looks after the job; one who has written its end gets a moment to go."""
    end = time.monotonic() + (LEAVING if ended else 0.0)
    while (there := job.supervised) and time.monotonic() < end:
        time.sleep(0.05)
    return there


def default_root() -> Path:
    """`MEDVLP_JOBS`, or the user's data folder."""
    if named := os.environ.get("MEDVLP_JOBS"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("medvlp", appauthor=False) / "jobs"


def check(spec: JobSpec) -> None:
    """What would make a job fail after hours in a queue, and can be found out at once.

    Raises:
        MedVLPError: no manifest, or settings that make no sense.
    """
    if not os.path.isfile(spec.manifest):
        raise MedVLPError(f"The manifest {spec.manifest} does not exist.", "Correct the path in the job.")
    if spec.kind not in ("pretrain", "finetune"):
        return
    try:
        settings_of(spec)
    except ImportError:  # they need yaml, which a host may not have: then the command itself finds out
        return

"""Jobs as they are looked at: what a table shows of each, kept up to date for next to nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.command import METRICS
from vlp3d_core.service.jobs.doing import FILE, Doing
from vlp3d_core.service.jobs.folder import JobFolder, job_folders
from vlp3d_core.service.jobs.metrics import Latest
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import STATE, State

LOOK_AGAIN = 2.0
"""Seconds after which a job that has not ended is asked about, even when its file is the same: it may be lost."""
StateOf = Callable[[JobFolder, JobSpec | None], State]


@dataclass(frozen=True)
class JobView:
    """What there is to say about one job.

    Attributes:
        id, name, kind, target: as submitted; "" where the spec cannot be read.
        state: one of `state.STATES`; "lost" where that cannot be read, and `error` says so.
        note: what it waits for, or how it ended.
        step, steps, epoch: of training; None where there are none (yet). `steps` is how many there will be.
        metrics: name → latest value.
        folder: of the job.
        error: what went wrong; None where nothing did.
        time: of the latest change of the state, UTC.
        doing: what it does while there is no step: "preparing 12 of 200"; "" otherwise.
    """

    id: str
    name: str
    kind: str
    target: str
    state: str
    note: str
    step: int | None
    steps: int | None
    epoch: int | None
    metrics: dict[str, float]
    folder: Path
    error: MedVLPError | None
    time: str
    doing: str = ""

    def to_json(self) -> dict[str, Any]:
        error = self.error and {"cause": self.error.cause, "remedy": self.error.remedy}
        return {
            "id": self.id,
            "kind": self.kind,
            "target": self.target,
            "state": self.state,
            "step": self.step,
            "epoch": self.epoch,
            "metrics": self.metrics,
            "folder": str(self.folder),
            "error": error,
            "name": self.name,
            "note": self.note,
            "doing": self.doing,
            "steps": self.steps,
            "time": self.time,
        }


class WatchedJob:
    """One job whose files are read again only when they have changed."""

    def __init__(self, job: JobFolder, state_of: StateOf) -> None:
        self.job, self._state_of = job, state_of
        self._latest, self._doing = Latest(job.path / METRICS), Doing(job.path / FILE)
        self._state_path = os.fspath(job.path / STATE)
        self._seen: tuple[int, int, int] | None = None
        self._asked = 0.0
        self._spec: JobSpec | None = None
        self._spec_error: MedVLPError | None = None
        self._state = State("lost")
        self._error: MedVLPError | None = None
        self._steps: int | None = None

    def refresh(self) -> bool:
        """Whether anything has changed."""
        if self._spec is None and self._spec_error is None:
            try:
                self._spec = self.job.spec()
            except MedVLPError as error:
                self._spec_error = error
        changed = self._refresh_state()
        logged = self._latest.refresh()
        if changed or (logged and self._steps is None):  # a job may be resumed with another number of them
            self._steps = _steps(self.job.run)
        waits = self._state.state == "running" and self._latest.step is None
        told = self._doing.refresh() if waits else self._doing.forget()
        return changed or logged or told

    def _refresh_state(self) -> bool:
        try:
            facts = os.stat(self._state_path)
            seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        except OSError:
            seen = None
        rests = self._state.ended or time.monotonic() - self._asked < LOOK_AGAIN
        if seen is not None and seen == self._seen and rests:
            return False
        self._seen, self._asked = seen, time.monotonic()
        before = self._state, self._error
        try:
            self._state, self._error = self._state_of(self.job, self._spec), None
        except MedVLPError as error:
            self._state, self._error = State("lost"), error
        return (self._state, str(self._error)) != (before[0], str(before[1]))

    @property
    def view(self) -> JobView:
        spec, state = self._spec, self._state
        return JobView(
            self.job.id,
            spec.name if spec else "",
            spec.kind if spec else "",
            spec.target if spec else "",
            state.state,
            state.note,
            self._latest.step,
            self._steps,
            self._latest.epoch,
            dict(self._latest.values),
            self.job.path,
            self._error or self._spec_error or state.error,
            state.time,
            self._doing.text,
        )


class Watch:
    """All jobs of a folder. A panel calls `refresh` from its timer, with the time that it has.

    Attributes:
        jobs: id → job, in the order of submission.
    """

    def __init__(self, root: Path, state_of: StateOf) -> None:
        self.root, self._state_of = root, state_of
        self.jobs: dict[str, WatchedJob] = {}
        self._next = 0
        self._date: int | None = None
        self._listed = 0.0

    def refresh(self, seconds: float | None = None) -> set[str]:
        """Look for what has changed, with the time that there is; the next call goes on where this one stopped.

        Args:
            seconds: after which it returns, with one job looked at at least; None takes the time that it needs.

        Returns:
            ids of jobs that are new, have changed or are gone.
        """
        end = None if seconds is None else time.perf_counter() + seconds
        changed = self._look_around()
        watched = list(self.jobs.values())
        first = self._next if self._next < len(watched) else 0
        for count, place in enumerate((*range(first, len(watched)), *range(first))):
            # One job at least, or a slow look at the folder would keep them all from being seen for ever.
            if count and end is not None and time.perf_counter() > end:
                self._next = place
                break
            if watched[place].refresh():
                changed.add(watched[place].job.id)
        return changed

    def _look_around(self) -> set[str]:
        """Take in new jobs; gives the ids of those that are gone. The folder's own date says whether to look."""
        try:
            date: int | None = os.stat(self.root).st_mtime_ns
        except OSError:
            date = None
        # A folder that changed a moment ago may change again within the same tick of its clock.
        if date is not None and date == self._date and time.monotonic() - self._listed > LOOK_AGAIN:
            return set()
        if date != self._date:
            self._date, self._listed = date, time.monotonic()
        there = {job.id: job for job in job_folders(self.root)}
        gone = set(self.jobs) - set(there)
        if there.keys() != self.jobs.keys():
            self.jobs = {id: self.jobs.get(id) or WatchedJob(job, self._state_of) for id, job in there.items()}
        return gone


def _steps(run: Path) -> int | None:
    """Of the settings in a run's folder."""
    try:
        steps = json.loads((run / "config.json").read_text(encoding="utf-8"))["steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return steps if type(steps) is int else None

"""The jobs as rows of texts, kept up to date within the time that a panel has. No Qt here."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from MedVLPLib.Texts import _
from MedVLPTrainLib.BestScore import BestScore
from MedVLPTrainLib.JobWords import leftText, sentenceOf, stateOf, stateWord, stepText, targetText, titleOf
from MedVLPTrainLib.Pace import Pace

ACTIVE = ("queued", "running", "finishing")


@dataclass(frozen=True)
class JobRow:
    """What the table shows of a job.

    Attributes:
        state: a key of `JobWords.COLOURS`.
        cells: name, state, step, epoch, loss, best score, time left, target.
        about: how it is, in sentences.
        best: what the best score is.
    """

    state: str
    cells: tuple[str, ...]
    about: str
    best: str


class JobRows:
    """Looks at all jobs of a folder.

    Args:
        watch: a `jobs.view.Watch`.

    Attributes:
        active: ids of the jobs that have not ended.
    """

    def __init__(self, watch: Any) -> None:
        self._watch = watch
        self._pace: dict[str, Pace] = {}
        self._best: dict[str, BestScore] = {}
        self._known: set[str] = set()
        self.active: set[str] = set()

    @property
    def complete(self) -> bool:
        """Whether every job has been looked at once; a folder with many takes several looks."""
        return self._watch.jobs.keys() <= self._known

    def refresh(self, seconds: float | None = None) -> Set[str]:
        """Look for what has changed, for so long at most; the ids of those that are new, have changed or are gone."""
        changed: set[str] = self._watch.refresh(seconds)
        now = time.monotonic()
        for id in changed:
            watched = self._watch.jobs.get(id)
            if watched is None:
                self._known.discard(id)
                self.active.discard(id)
                self._pace.pop(id, None)
                self._best.pop(id, None)
                continue
            self._known.add(id)
            view = watched.view
            (self.active.add if view.state in ACTIVE else self.active.discard)(id)
            if view.state == "running" and view.step is not None:
                self._pace.setdefault(id, Pace()).note(view.step, now)
            else:
                self._pace.pop(id, None)  # the time in which it did not run is no pace
        return changed

    def view(self, id: str) -> Any:
        """A JobView; None where there is no such job any more."""
        watched = self._watch.jobs.get(id)
        return watched and watched.view

    def row(self, id: str) -> JobRow | None:
        """The row of a job; None where there is no such job any more."""
        view = self.view(id)
        if view is None:
            return None
        best = self._best.setdefault(id, BestScore(view.folder / "run")).read()
        pace = self._pace.get(id)
        cells = (
            titleOf(view),
            stateWord(stateOf(view)),
            stepText(view),
            "" if view.epoch is None else str(view.epoch + 1),
            f"{view.metrics['loss']:.4g}" if "loss" in view.metrics else "",
            f"{best.value:.3f}" if best else "",
            leftText(pace.left(view.steps, time.monotonic())) if pace else "",
            targetText(view),
        )
        about = _("{metric} after step {step}").format(metric=best.metric, step=best.step) if best else ""
        return JobRow(stateOf(view), cells, sentenceOf(view), about)

"""The runs that wait or work, moved on by what the worker says."""

from __future__ import annotations

import logging
from typing import Any

from MedVLPLib.Texts import _
from MedVLPSegmentLib.Run import Run
from vlp3d_core.errors import Cancelled, MedVLPError

HALF = 0.5
"""Of a run of two jobs, the first one's part."""


class Runs:
    """Ties every run to its job, and ends it once."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    @property
    def all(self) -> tuple[Run, ...]:
        """What waits or runs, oldest first."""
        return tuple(self._runs)

    def refuseTwice(self, run: Run) -> None:
        """Raise MedVLPError where the same is being done already."""
        if any(other.same(run) and other.stopped is None for other in self._runs):
            raise MedVLPError(
                _("This is being done for '{name}' already.").format(name=run.volumeName),
                _("Wait until it is done, or cancel it."),
            )

    def begin(self, run: Run, job: Any) -> Run:
        """Follow a job of the worker's; callbacks come from the worker's `poll`."""
        self._follow(run, job)
        self._runs.append(run)
        return run

    def stop(self, run: Run, why: MedVLPError, worker: Any) -> None:
        """Ask the worker to let go of a run; it ends as cancelled, with `why` as its error."""
        if not run.ended and run.stopped is None:
            run.stopped = why
            worker.cancel(run.job)

    def endAll(self) -> None:
        """End everything here and now: the worker is gone."""
        for run in self.all:
            self._end(run, "cancelled", error=run.stopped or cancelled())

    def _follow(self, run: Run, job: Any) -> None:
        run.job, run.stage = job, job.stage
        job.on_progress = lambda job: self._progress(run)
        job.on_end = lambda job: self._jobEnded(run)

    def _progress(self, run: Run) -> None:
        if run.ended:
            return
        job = run.job
        run.state, run.stage = "running", job.stage
        run.fraction = run.behind + (HALF if run.then else 1 - run.behind) * job.fraction
        run.remaining = None if run.then else job.remaining_seconds
        if run.onProgress:
            run.onProgress(run)

    def _jobEnded(self, run: Run) -> None:
        if run.ended:
            return
        job = run.job
        if run.stopped is not None:
            self._end(run, "cancelled", error=run.stopped)
        elif job.state != "done":
            self._end(run, job.state, error=job.error or cancelled())
        elif run.then is not None:
            start, run.then, run.behind = run.then, None, HALF
            self._follow(run, start(job.result))
        else:
            self._take(run, job.result)

    def _take(self, run: Run, found: Any) -> None:
        """Let the run make its result of what the worker found; whatever that raises is the run's error."""
        try:
            result = run.finish(run, found)
        except MedVLPError as error:
            self._end(run, "failed", error=error)
        except Exception as error:  # nobody may see a traceback; the log has it
            logging.getLogger(__name__).exception("The result of %s could not be used", run.kind)
            cause = _("The result for '{name}' could not be brought into the scene ({reason}).").format(
                name=run.volumeName, reason=f"{type(error).__name__}: {error}"
            )
            self._end(run, "failed", error=MedVLPError(cause, _("Please report this; the application's log has more.")))
        else:
            self._end(run, "done", result)

    def _end(self, run: Run, state: str, result: Any = None, error: MedVLPError | None = None) -> None:
        run.state, run.result, run.error, run.remaining = state, result, error, None
        run.job = None  # it may hold the labels of a whole volume
        if state == "done":
            run.fraction = 1.0
        self._runs.remove(run)
        if run.onEnd:
            run.onEnd(run)


def cancelled() -> Cancelled:
    """What a run that the user stopped ends with."""
    return Cancelled(_("Nothing was changed."))

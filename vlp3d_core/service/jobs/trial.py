"""What a training job will need, measured by its first steps on this computer.

The job's own command runs with few steps in a temporary folder; how long a step takes is seen from outside, by the
metrics file that grows with each.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.jobs.child import Child
from vlp3d_core.service.jobs.command import METRICS, TRAINING, arguments
from vlp3d_core.service.jobs.log import Log
from vlp3d_core.service.jobs.metrics import Latest
from vlp3d_core.service.jobs.outcome import outcome
from vlp3d_core.service.jobs.settings import settings_of
from vlp3d_core.service.jobs.spec import JobSpec

if TYPE_CHECKING:
    from vlp3d_core.train.settings import RunSettings

STEPS = 20
LEFT_OUT = 5
"""First steps, in which memory is reserved and kernels are chosen."""
LOOK, WEIGH = 0.02, 0.25
"""Seconds between two looks at the metrics, and at the memory."""


@dataclass(frozen=True)
class Trial:
    """What was measured, and what follows for the whole run.

    Attributes:
        steps: that were made.
        seconds_per_step: median, the first steps left out.
        peak_memory_bytes: of the computer's memory, all processes of the command together.
        disk_bytes: what the run's folder held at the end.
        seconds_for_the_run: preparation, all steps, all validations and the end.
    """

    steps: int
    seconds_per_step: float
    peak_memory_bytes: int
    disk_bytes: int
    seconds_for_the_run: float


@dataclass
class _Clock:
    """When what was seen first, in seconds from the start."""

    steps: dict[int, float] = field(default_factory=dict)
    validated: float | None = None

    def look(self, latest: Latest, now: float) -> None:
        if not latest.refresh() or latest.step is None:
            return
        self.steps.setdefault(latest.step, now)
        if self.validated is None and any(name.startswith("val") for name in latest.values):
            self.validated = now

    def per_step(self) -> float:
        """Steps quicker than a look are seen together, and share their time."""
        seen = sorted(self.steps.items())
        pairs = [(one, later) for one, later in itertools.pairwise(seen) if one[0] >= LEFT_OUT]
        rates = [(later[1] - one[1]) / (later[0] - one[0]) for one, later in pairs or itertools.pairwise(seen)]
        return statistics.median(rates) if rates else LOOK


def trial(
    spec: JobSpec,
    python: str | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Trial:
    """Make the first `STEPS` steps of a training job; nothing of it is kept.

    Args:
        python, environment: of the command; None are those of this process.

    Raises:
        UsageError: no training, or settings that make no sense.
        MedVLPError: the command failed, in its own words.
        Cancelled: `cancel` said so.
    """
    if spec.kind not in TRAINING:
        raise UsageError(f"A job of the kind {spec.kind!r} has no steps to try.", "Try a pretraining or a fine-tuning.")
    wanted = settings_of(spec)
    steps = min(STEPS, wanted.steps)
    with tempfile.TemporaryDirectory(prefix="medvlp-trial-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = [python or sys.executable, "-m", "vlp3d_core.cli.main", *arguments(_short(spec, steps), folder)]
        log, result = Log(folder), folder / "result.json"
        base = os.environ if environment is None else environment
        child = Child(command, environment_for_package(base), folder, result, log)
        clock, latest, start, peak, weighed = _Clock(), Latest(folder / METRICS), time.monotonic(), 0, -WEIGH
        try:
            while child.code is None:
                now = time.monotonic() - start
                if cancel():
                    raise Cancelled("The trial was stopped; nothing of it is kept.")
                clock.look(latest, now)
                if now - weighed >= WEIGH:
                    peak, weighed = max(peak, _memory(child.owner.pid)), now
                progress("trying", min(1.0, (latest.step or 0) / steps))
                time.sleep(LOOK)
        finally:
            child.finish()
        clock.look(latest, end := time.monotonic() - start)
        if child.code:
            error = outcome(child.code, False, False, result, log.last).error
            raise error or MedVLPError("The trial failed.", "Start the run itself; its log says more.")
        if not clock.steps:
            raise MedVLPError("The trial made no step.", "Start the run itself; its log says more.")
        return Trial(steps, clock.per_step(), peak, _size(folder / "run"), _whole(clock, end, wanted))


def _short(spec: JobSpec, steps: int) -> JobSpec:
    """The job with few steps, a row of metrics for each, and one validation at the end."""
    ours = {"steps": steps, "validate_every": steps, "log_every": 1, "checkpoint_minutes": 0}
    kept = [word for word in spec.overrides if word.partition("=")[0].strip() not in ours]
    return replace(spec, overrides=(*kept, *(f"{key}={value}" for key, value in ours.items())))


def _whole(clock: _Clock, end: float, settings: RunSettings) -> float:
    """Seconds of the run with all its steps."""
    first, last = min(clock.steps.values()), max(clock.steps.values())
    validated = max(last, clock.validated or last)
    rounds = math.ceil(settings.steps / min(settings.steps, settings.validate_every))
    return first + (settings.steps - 1) * clock.per_step() + rounds * (validated - last) + (end - validated)


def _memory(pid: int) -> int:
    """Bytes that a process and all that it has started hold."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += int(one.memory_info().rss)
    return total


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())

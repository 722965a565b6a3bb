"""How far a job is, and how long it will still take: expected seconds a stage, corrected by what is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS_BETWEEN = 0.1
"""A client is told about progress this often at most."""
RATES = {"preparing": 1.5e-8, "encoding": 9e-7, "cleaning": 2e-7, "resampling": 2.2e-8, "searching": 1e-8}
"""Seconds a voxel until this worker has measured its own: docs/benchmarks.md, two cores. "preparing" and "resampling"
count voxels of the volume, the others those of the model's grid."""
SURE = 0.03
"""Part of a stage after which its own pace says more than what was expected of it."""


class Rates:
    """Seconds a voxel of each stage on one device, learned from finished stages."""

    def __init__(self) -> None:
        self._rates = dict(RATES)
        self._learned: set[str] = set()

    def learn(self, stage: str, voxels: float, seconds: float) -> None:
        """Remember what a stage has taken; the latest counts half."""
        if voxels > 0 and seconds > 0:
            rate = seconds / voxels
            self._rates[stage] = (self._rates[stage] + rate) / 2 if stage in self._learned else rate
            self._learned.add(stage)

    def seconds(self, stage: str, voxels: float) -> float:
        """Expected seconds of a stage."""
        return self._rates[stage] * voxels

    def knows(self, stage: str) -> bool:
        """Whether this stage was measured here."""
        return stage in self._learned


class Forecast:
    """A `Progress` for one job that tells its client the stage, the part of the whole that is done, and the rest.

    The remaining time is told once the encoding, on a CPU nearly all of it, has shown its pace here.

    Args:
        voxels: of each stage that the job will go through, in their order.
        rates: of the device; finished stages are added to it.
        tell: takes a message of the event "progress".
    """

    def __init__(
        self,
        voxels: Mapping[str, float],
        rates: Rates,
        tell: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._voxels, self._rates, self._tell, self._clock = dict(voxels), rates, tell, clock
        self._begin = self._stage_begin = clock()
        self._stage = ""
        self._told = -1.0
        self._fraction = 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        now = self._clock()
        changed = stage != self._stage
        if changed:
            self._end_stage(now)
            self._stage, self._stage_begin = stage, now
        if not changed and now - self._told < SECONDS_BETWEEN:
            return
        self._told = now
        left, sure = self._left(fraction, now)
        spent = now - self._begin
        self._fraction = max(self._fraction, spent / (spent + left) if spent + left > 0 else 0.0)
        rounded = round(min(self._fraction, 1.0), 4)
        self._tell({"stage": stage, "fraction": rounded, "remaining": round(left, 2) if sure else None})

    def end(self) -> None:
        """The job has come to its good end."""
        self._end_stage(self._clock())

    def _end_stage(self, now: float) -> None:
        if self._stage in self._voxels:
            self._rates.learn(self._stage, self._voxels.pop(self._stage), now - self._stage_begin)
        self._stage = ""

    def _left(self, fraction: float, now: float) -> tuple[float, bool]:
        """Seconds that are left, and whether they are more than a guess."""
        left, sure = 0.0, True
        for stage, voxels in self._voxels.items():
            expected = self._rates.seconds(stage, voxels)
            known = stage != "encoding" or self._rates.knows(stage)
            if stage == self._stage:
                spent = now - self._stage_begin
                if fraction > SURE:
                    expected, known = spent * (1 - fraction) / fraction, True
                else:
                    expected = max(0.0, expected - spent)
            left += expected
            sure = sure and known
        return left, sure

"""The curves of the chosen job: read a piece at a time, shown while they are wanted. No Qt here."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import numpy as np

from MedVLPTrainLib.CurveNodes import LOSS, SCORE, Curve, CurveNodes
from MedVLPTrainLib.JobWords import titleOf
from vlp3d_core.service.jobs.command import METRICS
from vlp3d_core.service.jobs.metrics import Curves

SCORES = ("val_dice", "val_recall10", "val_auroc", "val_membranes")
"""By which the runs choose their best weights, one for each kind of training."""
MOST = 1_000
"""Of a curve with more points, at least so many are drawn, and fewer than twice as many: a plot is no wider. Each is a
measured value: every second, fourth, … point is taken, and the last one."""
PAUSE = 2.0
"""Seconds between two drawings while more is still being read."""


class JobCurves:
    """Follows one job.

    Args:
        nodes: where the curves are shown. While its chart is not there, nothing is read.
    """

    def __init__(self, nodes: CurveNodes) -> None:
        self._nodes = nodes
        self._view: Any = None
        self._curves: Curves | None = None
        self._changed, self._reading, self._drawn = False, False, 0.0

    def choose(self, view: Any) -> None:
        """Follow the job of a JobView from now on; None follows none, and what is drawn stays."""
        if view is not None and self._view is not None and view.id == self._view.id:
            return
        self._view, self._curves = view, None
        if view is not None:
            self._curves = Curves(view.folder / METRICS)
            self._changed, self._reading, self._drawn = True, True, 0.0

    def show(self) -> Any:
        """Make the nodes for the job that is followed; returns the chart. `more` fills them."""
        chart = self._draw() if self._nodes.chart is None else self._nodes.chart
        self._changed = self._reading = True
        return chart

    def gone(self) -> None:
        """The job was removed, and its curves go, too."""
        self._view = self._curves = None
        self._nodes.remove()

    def more(self) -> bool:
        """Read a piece, or draw, each two to three milliseconds; whether there is more to do right away."""
        if self._curves is None or self._nodes.chart is None:
            return False
        if self._changed and not (self._reading and time.monotonic() - self._drawn < PAUSE):
            self._draw()
            return self._reading
        self._reading = self._curves.refresh()
        self._changed = self._changed or self._reading
        return self._changed

    def _draw(self) -> Any:
        self._changed, self._drawn = False, time.monotonic()
        curves: dict[str, Curve] = {}
        points = self._curves.points if self._curves is not None else {}
        if "loss" in points:
            curves[LOSS] = ("loss", *thinned(points["loss"]))
        score = scoreIn(points)
        if score:
            curves[SCORE] = (score, *thinned(points[score]))
        return self._nodes.show(titleOf(self._view) if self._view is not None else "", curves)


def scoreIn(names: Any) -> str:
    """The metric by which the run judges itself; "" where none was measured yet."""
    return next((name for name in SCORES if name in names), "")


def thinned(points: dict[int, float]) -> tuple[Any, Any]:
    """Steps and values of a curve, float64, fewer than twice `MOST` of them, in the order of the steps."""
    stride = 1
    while len(points) // stride >= 2 * MOST:
        stride *= 2
    steps = np.fromiter(islice(points.keys(), 0, None, stride), np.float64)
    values = np.fromiter(islice(points.values(), 0, None, stride), np.float64)
    if stride > 1 and (len(points) - 1) % stride:
        last = next(reversed(points))
        steps, values = np.append(steps, last), np.append(values, points[last])
    order = np.argsort(steps, kind="stable")
    return steps[order], values[order]

"""Looks for the worker's answers as long as any are expected."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt

INTERVAL = 20
"""Milliseconds."""
TURN = 0.001
"""Seconds that the client's threads get at each look. Slicer's event loop keeps Python's lock: between two calls from
it no other Python thread runs, and nothing would ever be written to the worker or read from it."""


class WorkerTimer:
    """Calls `logic.poll()` every 20 ms from `start` until nothing waits or runs any more.

    Args:
        logic: a `SegmentLogic`.
        onIdle: called when that is so.
    """

    def __init__(self, logic: Any, onIdle: Callable[[], None]) -> None:
        self._logic, self._onIdle = logic, onIdle
        self._polling = False
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL)
        self._timer.connect("timeout()", self._poll)

    @property
    def running(self) -> bool:
        return bool(self._timer.active)

    def start(self) -> None:
        """Something was asked for."""
        time.sleep(TURN)  # it is on its way to the worker now, and not at the first look
        if not self._timer.active:
            self._timer.start()

    def stop(self) -> None:
        """Nothing will be delivered any more."""
        self._timer.stop()

    def _poll(self) -> None:
        if self._polling:
            return  # a result that is just being delivered has opened a dialog, which lets timers run
        self._polling = True
        time.sleep(TURN)
        try:
            self._logic.poll()
        finally:
            self._polling = False
        if not self._logic.runs:
            self._timer.stop()
            self._onIdle()

"""Looks for the worker's answers as long as any are expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

INTERVAL = 50
"""Milliseconds."""


class WorkerTimer:
    """Calls `logic.poll()` every 50 ms from `start` until nothing waits or runs any more.

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
        if not self._timer.active:
            self._timer.start()

    def stop(self) -> None:
        """Nothing will be delivered any more."""
        self._timer.stop()

    def _poll(self) -> None:
        if self._polling:
            return  # a result that is just being delivered has opened a dialog, which lets timers run
        self._polling = True
        try:
            self._logic.poll()
        finally:
            self._polling = False
        if not self._logic.runs:
            self._timer.stop()
            self._onIdle()

"""Asks the worker what the next run would cost, when something has changed that it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from MedVLPSegmentLib.Parameters import Parameters

PAUSE = 300
"""Milliseconds without a change before the worker is asked."""


class Estimate:
    """Keeps the estimate beside the button up to date.

    Args:
        logic: a `SegmentLogic`.
        ask: wraps the slot that asks, so that errors are shown.
        onAsked: called when the worker has been asked.
        show: called with the estimate, None while there is none, and with the reason why there is none.
    """

    def __init__(
        self,
        logic: Any,
        ask: Callable[[Callable[[], None]], Callable[[], None]],
        onAsked: Callable[[], None],
        show: Callable[[dict[str, Any] | None, str], None],
    ) -> None:
        self._logic, self._onAsked, self._show = logic, onAsked, show
        self._wanted: dict[str, Any] = {}
        self._key: tuple[Any, ...] = ()
        self._run: Any = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.connect("timeout()", ask(self._ask))

    def update(self, parameters: Parameters, model: str) -> None:
        """Ask, unless nothing has changed since the last time."""
        volume, roi = parameters.inputVolume, parameters.roi
        key = (volume.GetID(), volume.GetMTime(), volume.GetImageData().GetMTime(), model, parameters.device)
        key += (parameters.tile, roi and (roi.GetID(), roi.GetMTime()))
        if key == self._key:
            return
        self._key = key
        self._wanted = {"volumeNode": volume, "roiNode": roi, "model": model, "device": parameters.device}
        self._wanted["tile"] = parameters.tile or None
        self._show(None, "")
        self._timer.start()

    def clear(self) -> None:
        """Nothing can be run: show nothing, and ask again later."""
        self._timer.stop()
        self._key, self._wanted, self._run = (), {}, None
        self._show(None, "")

    def stop(self) -> None:
        """The panel goes away."""
        self._timer.stop()
        self._wanted = {}

    def _ask(self) -> None:
        wanted = self._wanted
        if wanted and wanted["volumeNode"].GetScene() is not None and self._logic.worker.running:
            self._run = self._logic.estimate(wanted.pop("volumeNode"), **wanted, onEnd=self._onEnd)
            self._wanted = {}
            self._onAsked()

    def _onEnd(self, run: Any) -> None:
        if run is not self._run:
            return  # something has changed since
        if run.state == "failed":
            self._key = ()  # the worker may have died of something else: the next refresh asks again
        self._show(run.result, str(run.error) if run.state == "failed" else "")

"""Device, tile, and what the worker has to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from MedVLPLib.Texts import _
from MedVLPSegmentLib.RunBar import sizeText

LINES = 500
"""Kept in the log."""


class AdvancedBox:
    """Drives deviceComboBox, logEdit and restartButton; the other widgets follow the parameter node by themselves."""

    def __init__(self, ui: Any, onChanged: Callable[[], None], onStop: Callable[[], None]) -> None:
        self.ui, self.onChanged = ui, onChanged
        self._filling = False
        self._lines: list[str] = []
        self.setDevices([])
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDevice)
        ui.restartButton.connect("clicked(bool)", onStop)

    def setDevices(self, devices: list[dict[str, Any]]) -> None:
        """Offer these devices, as `Worker.hello` gives them, and "automatic"."""
        chosen = self.device()
        self._filling = True
        box = self.ui.deviceComboBox
        box.clear()
        box.addItem(_("Automatic"), "auto")
        for device in devices or [{"name": "cpu", "title": _("Processor (CPU)")}]:
            text = device["title"]
            if device.get("free_bytes"):
                text = _("{device}, {free} free").format(device=text, free=sizeText(device["free_bytes"]))
            box.addItem(text, device["name"])
        self._filling = False
        self.show(chosen)

    def show(self, name: str) -> None:
        """Select a device by name; one that is not offered is added, so that a scene keeps its choice."""
        box = self.ui.deviceComboBox
        self._filling = True
        if box.findData(name) < 0:
            box.addItem(_("{device} (not seen on this computer)").format(device=name), name)
        box.setCurrentIndex(box.findData(name))
        self._filling = False

    def device(self) -> str:
        """The chosen device's name."""
        return self.ui.deviceComboBox.itemData(self.ui.deviceComboBox.currentIndex) or "auto"

    def log(self, text: str) -> None:
        """Add a line with the time to the details."""
        self._lines += [f"{time.strftime('%H:%M:%S')} {line}" for line in text.splitlines() if line.strip()]
        del self._lines[:-LINES]
        self.ui.logEdit.setPlainText("\n".join(self._lines))
        bar = self.ui.logEdit.verticalScrollBar()
        bar.value = bar.maximum

    def _onDevice(self) -> None:
        if not self._filling:
            self.onChanged()

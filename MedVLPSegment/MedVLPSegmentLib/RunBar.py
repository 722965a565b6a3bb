"""The button that starts and stops, what the run will cost, how far it is, and what came of it."""

from __future__ import annotations

import time
from typing import Any

from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _

DOUBLE_CLICK = 0.4
"""Seconds after a start in which a click is the second half of a double click, not a wish to cancel."""


class RunBar:
    """Drives segmentButton, estimateLabel, progressBar, stageLabel and messageLabel."""

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.busy = False
        self._since = 0.0
        for label in (ui.estimateLabel, ui.stageLabel, ui.messageLabel):
            tell(label, "")
        ui.progressBar.visible = False

    def setReady(self, obstacle: str) -> None:
        """Enable the button, or say in its tooltip why it cannot be pressed."""
        if self.busy:
            return
        self.ui.segmentButton.enabled = not obstacle
        self.ui.segmentButton.toolTip = obstacle or _("Segment the chosen structures of the volume.")

    def start(self) -> None:
        """A run begins: the button stops it from now on."""
        if not self.busy:
            self.busy, self._since = True, time.monotonic()
        self.ui.segmentButton.text = _("Cancel")
        self.ui.segmentButton.enabled = True
        self.ui.segmentButton.toolTip = _("Stop the run. Nothing of it is kept.")
        self.ui.progressBar.visible = True
        self.ui.progressBar.value = 0
        tell(self.ui.messageLabel, "")
        tell(self.ui.stageLabel, _("Starting…"), "quiet")

    def mayCancel(self) -> bool:
        """False for the second click of a double click."""
        return self.busy and time.monotonic() - self._since > DOUBLE_CLICK

    def progress(self, run: Any) -> None:
        """Show stage, fraction and time left of a run."""
        self.ui.progressBar.value = round(1000 * min(1.0, max(0.0, run.fraction)))
        parts = [stageText(run)]
        if run.remaining is not None:
            parts.append(_("about {time} left").format(time=timeText(run.remaining)))
        tell(self.ui.stageLabel, ", ".join(parts), "quiet")

    def stopping(self) -> None:
        """The user has pressed Cancel; the worker answers within a second."""
        self.ui.segmentButton.enabled = False
        tell(self.ui.stageLabel, _("Stopping…"), "quiet")

    def end(self, text: str = "", kind: str = "plain") -> None:
        """The run is over, with this to say."""
        self.busy = False
        self.ui.segmentButton.text = _("Segment organs")
        self.ui.progressBar.visible = False
        tell(self.ui.stageLabel, "")
        self.say(text, kind)

    def say(self, text: str, kind: str = "plain") -> None:
        """A sentence below the button."""
        tell(self.ui.messageLabel, text, kind)

    def estimate(self, estimate: dict[str, Any] | None, problem: str = "") -> None:
        """Memory and time of the next run; red with the reason where it will not fit."""
        if not estimate:
            tell(self.ui.estimateLabel, problem, "error")
            return
        need, free = estimate["memory_bytes"], estimate["free_bytes"]
        values = {"need": sizeText(need), "free": sizeText(free)}
        if need > free:
            text = _("Needs {need}, but only {free} are free. Choose a region or a smaller tile.")
            tell(self.ui.estimateLabel, text.format(**values), "error")
            return
        parts = [_("{need} of {free} memory").format(**values)]
        if estimate.get("seconds"):
            parts.insert(0, _("about {time}").format(time=timeText(estimate["seconds"])))
        if estimate.get("reduced"):
            edges = " × ".join(str(edge) for edge in estimate["tile"])
            parts.append(_("in tiles of {tile} voxels to fit").format(tile=edges))
        tell(self.ui.estimateLabel, ", ".join(parts), "quiet")


def stageText(run: Any) -> str:
    """The stage of a run in words; an unknown one is shown as it is."""
    known = {
        "": _("Waiting"),
        "starting": _("Starting the worker"),
        "loading": _("Loading the model"),
        "preparing": _("Preparing the volume"),
        "encoding": _("Looking at the volume"),
        "cleaning": _("Cleaning up"),
        "resampling": _("Resampling"),
        "searching": _("Searching"),
    }
    return known.get(run.stage, run.stage)


def sizeText(count: float) -> str:
    """ "1.3 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def timeText(seconds: float) -> str:
    """ "12 s", "3 min"."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    return _("{count} min").format(count=round(seconds / 60))

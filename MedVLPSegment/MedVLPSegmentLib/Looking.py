"""Asks the worker which of several models fits a volume by what it shows, once for each state of a volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedVLPSegmentLib.Choice import Choice


class Looking:
    """Remembers the worker's choice for the volume that is chosen now.

    Args:
        logic: a `SegmentLogic`.
        onAsked: called when the worker has been asked.
        onChosen: called when it has answered.
    """

    def __init__(self, logic: Any, onAsked: Callable[[], None], onChosen: Callable[[], None]) -> None:
        self._logic, self._onAsked, self._onChosen = logic, onAsked, onChosen
        self._key: tuple[Any, ...] = ()
        self._run: Any = None
        self._choice: Choice | None = None

    def of(self, volumeNode: Any) -> Choice | None:
        """The choice for this volume; None while there is none."""
        return self._choice if self._key[:-1] == _key(volumeNode) else None

    def ask(self, volumeNode: Any, models: int, device: str) -> None:
        """Ask, unless that was done for this volume and as many models."""
        key = (*_key(volumeNode), models)
        if key == self._key:
            return
        self._key, self._choice = key, None
        self._run = self._logic.choose(volumeNode, device=device, onEnd=self._onEnd)
        self._onAsked()

    def _onEnd(self, run: Any) -> None:
        if run is not self._run:
            return  # another volume was chosen since
        if run.state == "done":
            self._choice = Choice(run.result["model"], f"{run.result['reason']}.")
        elif run.state == "failed":
            self._choice = Choice("", str(run.error), False)
        self._onChosen()


def _key(volumeNode: Any) -> tuple[Any, ...]:
    if volumeNode is None or volumeNode.GetImageData() is None:
        return ()
    return volumeNode.GetID(), volumeNode.GetMTime(), volumeNode.GetImageData().GetMTime()

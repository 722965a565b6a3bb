"""Combo boxes whose entries have a name behind their title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class ChoiceBox:
    """A QComboBox that is filled and set without reporting that as the user's doing.

    Args:
        box: the combo box.
        onChosen: takes the name that the user has chosen.
    """

    def __init__(self, box: Any, onChosen: Callable[[str], None]) -> None:
        self.box, self._onChosen = box, onChosen
        self._entries: list[tuple[str, str]] = []
        self._filling = False
        box.connect("currentIndexChanged(int)", self._changed)

    def show(self, entries: Sequence[tuple[str, str]], name: str) -> None:
        """Offer (title, name) entries and select one; a name that is not among them is added as it is."""
        entries = list(entries)
        if name not in [one for _title, one in entries]:
            entries.append((name, name))
        self._filling = True
        if entries != self._entries:
            self._entries = entries
            self.box.clear()
            for title, one in entries:
                self.box.addItem(title, one)
        self.box.setCurrentIndex([one for _title, one in entries].index(name))
        self._filling = False

    def _changed(self, index: int) -> None:
        if not self._filling and 0 <= index < len(self._entries):
            self._onChosen(self._entries[index][1])


def setter(part: Any, name: str, onChanged: Callable[[], None]) -> Callable[[str], None]:
    """What a part of the panel does with a choice: it becomes that parameter, where there are any."""

    def choose(value: str) -> None:
        if part.parameters is not None:
            setattr(part.parameters, name, value)
            onChanged()

    return choose

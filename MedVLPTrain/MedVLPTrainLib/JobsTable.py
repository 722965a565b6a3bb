"""The table of jobs: newest first, rows rewritten only where something changed, the choice kept."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Any

import qt

from MedVLPTrainLib.JobRows import JobRow, JobRows
from MedVLPTrainLib.JobWords import COLOURS

NAME, STATE, STEP, EPOCH, LOSS, BEST, LEFT, TARGET = range(8)
WIDTHS = {NAME: 115, STATE: 75, STEP: 120, EPOCH: 45, LOSS: 55, BEST: 45, LEFT: 65, TARGET: 95}
"""Pixels at the beginning. Columns that fit themselves to 200 rows would measure all of them at every change."""


class JobsTable:
    """Drives jobTree.

    Args:
        rows: gives the rows.
        onChosen: called when another job, or none, is chosen.

    Attributes:
        chosen: id of the chosen job; "" for none.
    """

    def __init__(self, ui: Any, rows: JobRows, onChosen: Callable[[], None]) -> None:
        self._tree, self._rows, self._onChosen = ui.jobTree, rows, onChosen
        self.chosen, self._wanted = "", ""
        self._waiting: dict[str, None] = {}
        self._ids: list[str] = []
        self._items: dict[str, Any] = {}
        self._shown: dict[str, JobRow] = {}
        self._filling = False
        self._icons = {state: squareIcon(colour) for state, colour in COLOURS.items()}
        for column, width in WIDTHS.items():
            self._tree.setColumnWidth(column, width)
        self._tree.connect("currentItemChanged(QTreeWidgetItem*,QTreeWidgetItem*)", self._onCurrent)

    def queue(self, ids: Iterable[str]) -> None:
        """These jobs are new, have changed or are gone."""
        self._waiting.update(dict.fromkeys(sorted(ids, reverse=True)))

    def show(self, until: float | None = None) -> bool:
        """Bring the table in line, until that time of `time.perf_counter` at most; whether more waits."""
        while self._waiting:
            id = next(iter(self._waiting))
            del self._waiting[id]
            row = self._rows.row(id)
            if row is None:
                self._remove(id)
            else:
                self._write(id, row)
            if until is not None and time.perf_counter() > until:
                break
        return bool(self._waiting)

    def select(self, id: str) -> None:
        """Choose a job; one that is not in the table yet is chosen when it comes."""
        item = self._items.get(id)
        self._wanted = "" if item is not None else id
        if item is not None:
            self._tree.setCurrentItem(item)
            self._tree.scrollToItem(item)

    def _write(self, id: str, row: JobRow) -> None:
        item, before = self._items.get(id), self._shown.get(id)
        if row == before:
            return
        if item is None:
            item = self._add(id)
        for column, text in enumerate(row.cells):
            if before is None or before.cells[column] != text:
                item.setText(column, text)
        if before is None or before.state != row.state:
            item.setIcon(STATE, self._icons[row.state])
        if before is None or before.about != row.about:
            item.setToolTip(NAME, row.about)
            item.setToolTip(STATE, row.about)
        if before is None or before.best != row.best:
            item.setToolTip(BEST, row.best)
        self._shown[id] = row
        if id == self._wanted:
            self.select(id)

    def _add(self, id: str) -> Any:
        """An empty row at its place: ids count up, the newest job stands first."""
        item = qt.QTreeWidgetItem()
        item.setData(NAME, qt.Qt.UserRole, id)
        for column in (STEP, EPOCH, LOSS, BEST, LEFT):
            item.setData(column, qt.Qt.TextAlignmentRole, int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
        insort(self._ids, id)
        self._tree.insertTopLevelItem(len(self._ids) - 1 - bisect_left(self._ids, id), item)
        self._items[id] = item
        return item

    def _remove(self, id: str) -> None:
        item = self._items.pop(id, None)
        if item is None:
            return
        del self._shown[id]
        self._ids.remove(id)
        # Qt would go on to a neighbour, and the next click would meet a job that nobody chose.
        self._filling = True
        try:
            if id == self.chosen:
                self._tree.setCurrentItem(None)
            self._tree.takeTopLevelItem(self._tree.indexOfTopLevelItem(item))
        finally:
            self._filling = False
        if id == self.chosen:
            self.chosen = ""
            self._onChosen()

    def _onCurrent(self, current: Any, _previous: Any) -> None:
        if not self._filling:
            self.chosen = str(current.data(NAME, qt.Qt.UserRole) or "") if current is not None else ""
            self._onChosen()


def squareIcon(colour: tuple[int, int, int]) -> Any:
    """A square of a colour (RGB, 0 to 255)."""
    pixmap = qt.QPixmap(12, 12)
    pixmap.fill(qt.QColor(*colour))
    return qt.QIcon(pixmap)

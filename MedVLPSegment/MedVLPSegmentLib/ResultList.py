"""The list of results: colour, name, score, volume, eye and jump; and what was not found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer

from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from vlp3d_core.volume.segmentation import volume_text

EYE, NAME, SCORE, VOLUME, JUMP = range(5)


class ResultList:
    """Drives resultTree and notFoundLabel.

    Attributes:
        node: the segmentation that is listed; None for none.
    """

    def __init__(self, ui: Any, icons: Path) -> None:
        self.ui, self.node = ui, None
        self._shown: tuple[Any, ...] = ()
        self._items: dict[str, Any] = {}
        self._filling = False
        tree = ui.resultTree
        header = tree.header()
        header.setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        for column in (EYE, SCORE, VOLUME, JUMP):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        opened, closed = ((icons / name).as_posix() for name in ("EyeOpen.png", "EyeClosed.png"))
        tree.styleSheet = (
            "QTreeView::indicator { width: 16px; height: 16px; }"
            f'QTreeView::indicator:checked {{ image: url("{opened}"); }}'
            f'QTreeView::indicator:unchecked {{ image: url("{closed}"); }}'
        )
        self._jumpIcon = qt.QIcon((icons / "Jump.png").as_posix())
        tree.connect("itemChanged(QTreeWidgetItem*,int)", self._onChanged)
        tree.connect("itemClicked(QTreeWidgetItem*,int)", self._onClicked)
        tree.connect("itemActivated(QTreeWidgetItem*,int)", self._onActivated)

    def show(self, node: Any, rows: Sequence[Any]) -> None:
        """List a segmentation's results (`Results.resultRows`); node None empties the list."""
        self.ui.resultsCollapsibleButton.visible = node is not None
        if node is self.node and tuple(rows) == self._shown:
            self._showEyes()
            return
        self.node, self._shown = node, tuple(rows)
        found = [row for row in rows if row.found]
        self._filling = True
        self._items = {}
        self.ui.resultTree.clear()
        for row in found:
            self._items[row.segmentId] = self._item(row)
            self.ui.resultTree.addTopLevelItem(self._items[row.segmentId])
        self._filling = False
        missing = [row.name for row in rows if not row.found]
        text = _("Nothing found: {names}.").format(names=", ".join(missing)) if missing else ""
        tell(self.ui.notFoundLabel, text, "warning")
        self.ui.exportButton.enabled = self.ui.tableButton.enabled = bool(found)

    def _item(self, row: Any) -> Any:
        item = qt.QTreeWidgetItem()
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        item.setData(NAME, qt.Qt.UserRole, row.segmentId)
        item.setCheckState(EYE, self._eye(row.segmentId))
        item.setToolTip(EYE, _("Show or hide {name}").format(name=row.name))
        item.setText(NAME, row.name)
        item.setIcon(NAME, colorIcon(row.color))
        item.setText(SCORE, "–" if row.score is None else f"{row.score:.2f}")
        item.setText(VOLUME, "–" if row.volumeMl is None else volume_text(row.volumeMl))
        for column in (SCORE, VOLUME):
            item.setData(column, qt.Qt.TextAlignmentRole, int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
        item.setIcon(JUMP, self._jumpIcon)
        item.setToolTip(JUMP, _("Centre the slice views on {name}").format(name=row.name))
        return item

    def _eye(self, segmentId: str) -> Any:
        display = self.node.GetDisplayNode()
        return qt.Qt.Checked if display is None or display.GetSegmentVisibility(segmentId) else qt.Qt.Unchecked

    def _showEyes(self) -> None:
        """Follow what was shown or hidden elsewhere."""
        self._filling = True
        for segmentId, item in self._items.items():
            item.setCheckState(EYE, self._eye(segmentId))
        self._filling = False

    def _segmentId(self, item: Any) -> str:
        return str(item.data(NAME, qt.Qt.UserRole) or "")

    def _onChanged(self, item: Any, column: int) -> None:
        if self._filling or column != EYE or self.node is None:
            return
        display = self.node.GetDisplayNode()
        if display is not None:
            display.SetSegmentVisibility(self._segmentId(item), item.checkState(EYE) == qt.Qt.Checked)

    def _onClicked(self, item: Any, column: int) -> None:
        if column == JUMP:
            self._jump(item)

    def _onActivated(self, item: Any, column: int) -> None:
        if column not in (EYE, JUMP):  # a double click there has done its work as a click
            self._jump(item)

    def _jump(self, item: Any) -> None:
        from MedVLPSegmentLib.Regions import jumpTo

        segmentId = self._segmentId(item)
        if self.node is None or self.node.GetSegmentation().GetSegment(segmentId) is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The views could not be moved.")):
            jumpTo(self.node.GetSegmentCenterRAS(segmentId), self.node.GetScene())


def colorIcon(color: Sequence[int]) -> Any:
    """A square of a colour (RGB, 0 to 255)."""
    pixmap = qt.QPixmap(14, 14)
    pixmap.fill(qt.QColor(*(int(value) for value in color)))
    return qt.QIcon(pixmap)

"""The volumes of the scene, each with its segmentation and a check mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from MedVLPLib.Texts import _
from MedVLPTrainLib.Choices import ChoiceBox
from MedVLPTrainLib.ScenePairs import SEGMENTATION, VOLUME, Pair, guessPairs, nodesOf, segmentConcepts
from vlp3d_core.text.concepts import concepts

SHOWN = 4
"""Names in a cell."""


class SceneTree:
    """Drives sceneTree.

    Args:
        ui: the panel's widgets.
        onChanged: called when the user has changed a check mark or a segmentation.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self._onChanged = ui, onChanged
        self._unchecked: set[str] = set()
        self._chosen: dict[str, str] = {}  # by the user; else the guess
        self._shown: list[Any] = []
        self._pairs: list[Pair] = []
        self._items: list[Any] = []
        self._boxes: list[ChoiceBox] = []
        self._filling = False
        ui.sceneTree.connect("itemChanged(QTreeWidgetItem*,int)", self._onItem)

    def show(self, scene: Any) -> None:
        """List what is in the scene now; what the user has chosen stays."""
        pairs = [Pair(p.volumeId, self._chosen.get(p.volumeId, p.segmentationId)) for p in guessPairs(scene)]
        segmentations = [(_("none"), "")] + [(n.GetName(), n.GetID()) for n in nodesOf(scene, SEGMENTATION)]
        known = {name for _title, name in segmentations}
        pairs = [p if p.segmentationId in known else Pair(p.volumeId) for p in pairs]
        titles = [(n.GetName(), n.GetID()) for n in nodesOf(scene, VOLUME)]
        structures = [_structures(scene.GetNodeByID(p.segmentationId)) if p.segmentationId else "" for p in pairs]
        seen = [pairs, segmentations, titles, structures]
        if seen != self._shown:
            self._shown, self._pairs = seen, pairs
            self._fill(titles, segmentations, structures)

    def pairs(self) -> list[Pair]:
        """What has a check mark."""
        return [pair for pair in self._pairs if pair.volumeId not in self._unchecked]

    def forget(self) -> None:
        """Another scene: its nodes may have the same ids."""
        self._unchecked, self._chosen = set(), {}

    def _fill(self, titles: list[tuple[str, str]], segmentations: list[tuple[str, str]], structures: list[str]) -> None:
        self._filling = True
        tree = self.ui.sceneTree
        tree.clear()
        self._items, self._boxes = [], []
        for pair, (title, _id), words in zip(self._pairs, titles, structures, strict=True):
            item = qt.QTreeWidgetItem()
            item.setText(0, title)
            item.setText(2, words)
            item.setToolTip(2, words)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(0, qt.Qt.Unchecked if pair.volumeId in self._unchecked else qt.Qt.Checked)
            tree.addTopLevelItem(item)
            box = qt.QComboBox()
            box.accessibleName = _("Segmentation of {volume}").format(volume=title)
            choice = ChoiceBox(box, self._chooser(pair.volumeId))
            choice.show(segmentations, pair.segmentationId)
            tree.setItemWidget(item, 1, box)
            self._items.append(item)
            self._boxes.append(choice)
        self._filling = False

    def _chooser(self, volumeId: str) -> Callable[[str], None]:
        def choose(segmentationId: str) -> None:
            self._chosen[volumeId] = segmentationId
            self._onChanged()

        return choose

    def _onItem(self) -> None:
        if not self._filling:
            pairs = zip(self._pairs, self._items, strict=True)
            self._unchecked = {pair.volumeId for pair, item in pairs if item.checkState(0) == qt.Qt.Unchecked}
            self._onChanged()


def _structures(segmentationNode: Any) -> str:
    """The structures that a segmentation's names mean, and the names that mean nothing."""
    meant = list(segmentConcepts(segmentationNode))
    names = [concepts()[concept].name for _name, concept in meant if concept]
    unknown = [name for name, concept in meant if not concept]
    more = _(" and {count} more").format(count=len(names) - SHOWN) if len(names) > SHOWN else ""
    text = ", ".join(names[:SHOWN]) + more
    return f"{text} ({_('not known')}: {', '.join(unknown[:SHOWN])})".strip() if unknown else text

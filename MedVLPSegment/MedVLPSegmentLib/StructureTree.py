"""The structures to choose from: a tree by group with check boxes, a search line, and favourites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import qt
import slicer

from MedVLPLib.Texts import _
from vlp3d_core.text.concepts import concepts, groups

FAVOURITES = "MedVLPSegment/FavouriteStructures"
"""Key in Slicer's user settings; concept ids, separated by commas."""


class StructureTree:
    """Drives structureTree, structureSearchEdit and the buttons beside it.

    Args:
        ui: the panel's widgets.
        onChanged: called when the user has changed the choice.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self.onChanged = ui, onChanged
        self._items: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._filling = False
        self._later = qt.QTimer()  # one call for a group of boxes that change together
        self._later.setSingleShot(True)
        self._later.connect("timeout()", self._report)
        ui.structureTree.connect("itemChanged(QTreeWidgetItem*,int)", self._onItemChanged)
        ui.structureSearchEdit.connect("textChanged(QString)", self._filter)
        ui.allButton.connect("clicked(bool)", lambda: self._checkShown(True))
        ui.noneButton.connect("clicked(bool)", lambda: self._checkShown(False))
        ui.favouritesButton.connect("clicked(bool)", self.chooseFavourites)
        self._menu = qt.QMenu(ui.favouritesButton)
        self._remember = qt.QAction(_("Remember the chosen structures as favourites"), self._menu)
        self._remember.connect("triggered(bool)", self.rememberFavourites)
        self._menu.addAction(self._remember)
        ui.favouritesButton.setMenu(self._menu)

    def show(self, known: Iterable[str], chosen: Iterable[str]) -> None:
        """List the structures of a model and check those that are chosen."""
        known, chosen = list(known), set(chosen)
        self._filling = True
        if known != list(self._items):
            self._fill(known)
        for concept, item in self._items.items():
            state = qt.Qt.Checked if concept in chosen else qt.Qt.Unchecked
            if item.checkState(0) != state:
                item.setCheckState(0, state)
        self._filling = False
        self._filter()
        self._count()

    def flush(self) -> None:
        """Report now what the user has just changed, before anything is shown anew."""
        if self._later.active:
            self._later.stop()
            self._report()

    def chosen(self) -> list[str]:
        """Concept ids with a check mark, in the model's order."""
        return [concept for concept, item in self._items.items() if item.checkState(0) == qt.Qt.Checked]

    def allChosen(self) -> bool:
        """Whether everything that the model knows is chosen."""
        return len(self.chosen()) == len(self._items)

    def chooseFavourites(self) -> None:
        """Check the favourites and nothing else."""
        favourites = self.favourites() & set(self._items)
        if not favourites:
            slicer.util.infoDisplay(
                _("You have no favourites among these structures yet. Choose some, then remember them by the arrow.")
            )
            return
        self._check({concept: concept in favourites for concept in self._items})

    def rememberFavourites(self) -> None:
        """Make the chosen structures the favourites; favourites that other models know stay."""
        kept = self.favourites() - set(self._items) | set(self.chosen())
        slicer.app.userSettings().setValue(FAVOURITES, ",".join(sorted(kept)))

    def favourites(self) -> set[str]:
        """Concept ids."""
        return {name for name in str(slicer.app.userSettings().value(FAVOURITES, "") or "").split(",") if name}

    def _fill(self, known: list[str]) -> None:
        self._items, self._groups = {}, {}
        self.ui.structureTree.clear()
        flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable
        for concept in known:
            entry = concepts().get(concept)
            group = self._group(entry.group if entry else "")
            item = qt.QTreeWidgetItem()
            item.setText(0, entry.name if entry else concept)
            item.setFlags(flags)
            item.setCheckState(0, qt.Qt.Unchecked)
            group.addChild(item)
            self._items[concept] = item
        for group in self._groups.values():
            group.setExpanded(True)

    def _group(self, name: str) -> Any:
        if name not in self._groups:
            group = qt.QTreeWidgetItem()
            group.setText(0, groups()[name].name if name in groups() else _("Other"))
            flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable
            group.setFlags(flags | qt.Qt.ItemIsAutoTristate)
            self.ui.structureTree.addTopLevelItem(group)
            self._groups[name] = group
        return self._groups[name]

    def _filter(self) -> None:
        """Hide what the search line does not match; a group that is empty then is hidden too."""
        words = self.ui.structureSearchEdit.text.casefold().split()
        shown = set()
        for concept, item in self._items.items():
            entry = concepts().get(concept)
            text = f"{concept} {item.text(0)} {' '.join(entry.synonyms) if entry else ''}".casefold()
            item.setHidden(not all(word in text for word in words))
            if not item.isHidden():
                shown.add(entry.group if entry else "")
        for name, group in self._groups.items():
            group.setHidden(name not in shown)

    def _checkShown(self, checked: bool) -> None:
        self._check({concept: checked for concept, item in self._items.items() if not item.isHidden()})

    def _check(self, states: dict[str, bool]) -> None:
        self._filling = True
        for concept, checked in states.items():
            self._items[concept].setCheckState(0, qt.Qt.Checked if checked else qt.Qt.Unchecked)
        self._filling = False
        self._report()

    def _onItemChanged(self) -> None:
        if not self._filling:
            self._later.start(0)

    def _report(self) -> None:
        self._count()
        self.onChanged()

    def _count(self) -> None:
        text = _("{chosen} of {known} structures are chosen.")
        self.ui.structureCountLabel.text = text.format(chosen=len(self.chosen()), known=len(self._items))

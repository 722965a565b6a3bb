"""Find by words or by an example: a query line, a segment, and the regions that were found, the best first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import qt
import slicer

from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPSegmentLib.ResultList import colorIcon
from vlp3d_core.text.concepts import concepts
from vlp3d_core.volume.segmentation import volume_text

NAME, SCORE, VOLUME = range(3)


class FindBox:
    """Drives queryEdit, findButton, exampleFrame, likeButton, regionTree, findMessageLabel and keepButton.

    Args:
        ui: the panel's widgets.
        onSearch: called when the user wants the words looked for.
        onLike: called when the user wants what looks like `example`.
        onPreview: called when another region is to be shown, see `current`.
        onKeep: called when the current region is to be kept.
    """

    def __init__(
        self,
        ui: Any,
        onSearch: Callable[[], None],
        onLike: Callable[[], None],
        onPreview: Callable[[], None],
        onKeep: Callable[[], None],
    ) -> None:
        self.ui, self._onSearch, self._onPreview = ui, onSearch, onPreview
        self.regions: tuple[Any, ...] = ()
        self._known: tuple[str, ...] = ()
        self._obstacle = ""
        self._items: list[Any] = []
        header = ui.regionTree.header()
        header.setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        for column in (SCORE, VOLUME):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        ui.queryEdit.connect("returnPressed()", self._search)
        ui.findButton.connect("clicked(bool)", self._search)
        self.selector = self._makeSelector()
        ui.likeButton.connect("clicked(bool)", onLike)
        ui.regionTree.connect("currentItemChanged(QTreeWidgetItem*,QTreeWidgetItem*)", self._onCurrent)
        ui.keepButton.connect("clicked(bool)", onKeep)
        ui.findMessageLabel.connect("linkActivated(QString)", self._onSuggestion)
        self._shortcuts = [self._shortcut("Down", 1), self._shortcut("Up", -1)]
        self.clear()

    def suggest(self, known: Iterable[str]) -> None:
        """Complete the query by the names of these concepts and their synonyms."""
        known = tuple(known)
        if known == self._known:
            return
        self._known = known
        words: dict[str, None] = {}
        for concept in known:
            entry = concepts().get(concept)
            for word in (entry.name, *entry.synonyms) if entry else ():
                side = f"{entry.side} " if entry.side and word != entry.name else ""
                words.setdefault(side + (word[:1].lower() + word[1:]), None)
        self._completer = qt.QCompleter(list(words), self.ui.queryEdit)
        self._completer.setCaseSensitivity(qt.Qt.CaseInsensitive)
        self._completer.setFilterMode(qt.Qt.MatchContains)
        self.ui.queryEdit.setCompleter(self._completer)

    def setReady(self, obstacle: str) -> None:
        """Enable the search, or say in the tooltip why it cannot be started."""
        self._obstacle = obstacle
        self.ui.findButton.enabled = not obstacle
        self.ui.findButton.toolTip = obstacle or _("Look for the words in the volume (Enter).")
        self.ui.likeButton.enabled = not obstacle
        self.ui.likeButton.toolTip = obstacle or _("Look for what looks like the segment, in the volume chosen above.")

    def clear(self) -> None:
        """Forget the regions."""
        self.show(None)

    def show(self, found: Any) -> None:
        """List what the worker found (`Found`) and show the best; None empties the list."""
        self.regions = found.regions if found else ()
        self._items = []
        self.ui.regionTree.clear()
        for region in self.regions:
            item = qt.QTreeWidgetItem()
            item.setData(NAME, qt.Qt.UserRole, len(self._items))
            item.setText(NAME, f"{region.rank}. {region.name}")
            item.setIcon(NAME, colorIcon(region.color))
            item.setText(SCORE, f"{region.score:.2f}")
            item.setText(VOLUME, volume_text(region.volume_ml))
            for column in (SCORE, VOLUME):
                item.setData(column, qt.Qt.TextAlignmentRole, int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
            self._items.append(item)
            self.ui.regionTree.addTopLevelItem(item)
        tell(self.ui.findMessageLabel, _answer(found) if found else "", "plain" if self.regions else "warning")
        if self._items:
            self.ui.regionTree.setCurrentItem(self._items[0])
        self._updateKeep()

    def say(self, text: str, kind: str = "plain") -> None:
        """A sentence below the list."""
        tell(self.ui.findMessageLabel, escape(text), kind)

    def example(self) -> tuple[Any, str]:
        """The segmentation node and the id of the segment to look for; None and "" for none."""
        node = self.selector.currentNode()
        return node, str(self.selector.currentSegmentID()) if node is not None else ""

    def current(self) -> Any:
        """The region that is shown, None for none."""
        item = self.ui.regionTree.currentItem()
        number = item.data(NAME, qt.Qt.UserRole) if item is not None else None
        return self.regions[int(number)] if number is not None and int(number) < len(self.regions) else None

    def _makeSelector(self) -> Any:
        """Slicer's choice of a segment; made here, because not every build can make it from a .ui file."""
        selector = slicer.qMRMLSegmentSelectorWidget()
        selector.setMRMLScene(slicer.mrmlScene)
        selector.toolTip = _("A segment that shows what to look for. It may belong to another volume of the scene.")
        selector.accessibleName = _("Example")
        self.ui.exampleFrame.layout().addWidget(selector)
        self.ui.exampleLabel.setBuddy(selector)
        return selector

    def _shortcut(self, key: str, step: int) -> Any:
        shortcut = qt.QShortcut(qt.QKeySequence(key), self.ui.queryEdit)
        shortcut.setContext(qt.Qt.WidgetShortcut)
        shortcut.connect("activated()", lambda: self._move(step))
        return shortcut

    def _move(self, step: int) -> None:
        """The arrow keys in the query line move in the list, so that typing and looking take turns."""
        if not self._items:
            return
        item = self.ui.regionTree.currentItem()
        row = int(item.data(NAME, qt.Qt.UserRole)) + step if item is not None else 0
        self.ui.regionTree.setCurrentItem(self._items[min(max(row, 0), len(self._items) - 1)])

    def _search(self) -> None:
        if self._obstacle:
            self.say(self._obstacle, "warning")
        else:
            self._onSearch()

    def _onCurrent(self) -> None:
        self._updateKeep()
        if self.current() is not None:
            self._onPreview()

    def _updateKeep(self) -> None:
        region = self.current()
        self.ui.keepButton.enabled = region is not None
        text = (
            _("Add '{name}' to the segmentation.").format(name=region.name) if region else _("Choose a region first.")
        )
        self.ui.keepButton.toolTip = text

    def _onSuggestion(self, words: str) -> None:
        self.ui.queryEdit.text = words
        self._search()


def _answer(found: Any) -> str:
    """What the list does not say, as rich text; suggestions can be clicked."""
    parts = []
    if found.unknown:
        text = _("Not understood: {words}.").format(words=", ".join(f"'{word}'" for word in found.unknown))
        parts.append(escape(text))
    if found.suggestions:
        links = ", ".join(f'<a href="{escape(word)}">{escape(word)}</a>' for word in found.suggestions)
        parts.append(_("Did you mean {links}?").format(links=links))
    if not found.regions and not found.unknown:
        parts.append(escape(_("Nothing found for '{words}'.").format(words=found.text)))
    return " ".join([*parts, *(escape(note) for note in found.notes)])

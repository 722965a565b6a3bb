"""Texts of the manifest: made by a command, read, and corrected by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt

from MedVLPLib.Guard import guard
from MedVLPLib.Texts import _
from MedVLPTrainLib.Captions import Caption, Captions
from vlp3d_core.errors import MedVLPError

ENDING = "-captioned"


class CaptionBox:
    """Drives captionButton, captionTree, captionEdit and saveCaptionButton.

    Args:
        ui: the panel's widgets.
        work: a `Work`.
        onMade: takes the manifest with the texts.
        say: shows a sentence of a kind in the panel.
    """

    def __init__(
        self, ui: Any, work: Any, onMade: Callable[[Path], None], say: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self.ui, self._work, self._onMade, self._say = ui, work, onMade, say
        self._captions: Captions | None = None
        self._seen: tuple[str, int] | None = None
        self._items: list[Any] = []
        self.manifest = ""
        ui.captionButton.connect("clicked(bool)", guard(self.make, say))
        ui.saveCaptionButton.connect("clicked(bool)", guard(self.save, say))
        ui.captionTree.connect("itemSelectionChanged()", guard(self._onChosen, say))
        ui.captionEdit.connect("textChanged()", guard(self._showButton, say))

    def show(self, manifest: str) -> None:
        """List the texts of a manifest; nothing is read again while the file stays as it is."""
        self.manifest = manifest
        seen = _seen(manifest)
        if seen == self._seen:
            return
        self._seen, self._captions = seen, None
        if seen is not None:
            try:
                self._captions = Captions(Path(manifest))
            except MedVLPError:
                self._captions = None  # the check says so
        self._fill()

    def make(self) -> None:
        """Write a text for every volume without one, from measured facts."""
        manifest = Path(self.manifest)
        stem = manifest.stem.removesuffix(ENDING)
        output = manifest.with_name(f"{stem}{ENDING}.jsonl")
        self._work.command(_("Writing texts …"), ["caption", str(manifest), f"--output={output}"], self._made)

    def save(self) -> None:
        """Save the text of the chosen volume."""
        number = self._current()
        if self._captions is None or number < 0:
            return
        row = self._captions.correct(number, self.ui.captionEdit.plainText)
        self._seen = _seen(self.manifest)
        self._items[number].setText(1, _line(row))
        self._showButton()
        self._say(_("The text of {subject} is saved.").format(subject=row.subject), "good")

    def _made(self, said: Mapping[str, Any]) -> None:
        text = _("{count} of {volumes} volumes have a text. Read and correct them below.")
        notes = " ".join(str(note) for note in said.get("notes", ()))
        self._say(
            f"{text.format(count=said.get('with_text', 0), volumes=said.get('volumes', 0))} {notes}".strip(), "good"
        )
        self._onMade(Path(str(said["manifest"])))

    def _rows(self) -> list[Caption]:
        return self._captions.rows() if self._captions is not None else []

    def _fill(self) -> None:
        rows = self._rows()
        self._items = []  # before the tree is emptied, which changes its selection
        self.ui.captionTree.clear()
        for row in rows:
            item = qt.QTreeWidgetItem()
            item.setText(0, row.subject)
            item.setText(1, _line(row))
            item.setToolTip(1, row.image)
            self.ui.captionTree.addTopLevelItem(item)
            self._items.append(item)
        there = any(row.text for row in rows)
        for widget in (self.ui.captionTree, self.ui.captionEdit, self.ui.saveCaptionButton):
            widget.visible = there
        self.ui.captionEdit.setPlainText("")
        self._showButton()

    def _current(self) -> int:
        """The number of the chosen volume; -1 for none."""
        item = self.ui.captionTree.currentItem()
        number = int(self.ui.captionTree.indexOfTopLevelItem(item)) if item is not None else -1
        return number if number < len(self._items) else -1

    def _onChosen(self) -> None:
        number = self._current()
        self.ui.captionEdit.setPlainText(self._rows()[number].text if number >= 0 else "")
        self._showButton()

    def _showButton(self) -> None:
        number = self._current()
        changed = number >= 0 and self.ui.captionEdit.plainText.strip() != self._rows()[number].text
        reason = "" if changed else _("Choose a volume and change its text first.")
        self.ui.saveCaptionButton.enabled = changed
        self.ui.saveCaptionButton.toolTip = reason or _("Save the corrected text into the manifest.")


def _line(row: Caption) -> str:
    text = " ".join(row.text.split())
    return _("{text} (corrected)").format(text=text) if row.corrected else text


def _seen(manifest: str) -> tuple[str, int] | None:
    try:
        return manifest, Path(manifest).stat().st_mtime_ns
    except (OSError, ValueError):
        return None

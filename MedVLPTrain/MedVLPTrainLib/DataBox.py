"""The step Data: where volumes come from, making a manifest of them, and what a look through it has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt
import slicer

from MedVLPLib.Guard import guard
from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPTrainLib.CaptionBox import CaptionBox
from MedVLPTrainLib.Choices import ChoiceBox, setter
from MedVLPTrainLib.Findings import Findings, readFindings
from MedVLPTrainLib.Parameters import FOLDER, READY, SCENE, Parameters
from MedVLPTrainLib.SceneData import MANIFEST, SceneWriter
from MedVLPTrainLib.SceneTree import SceneTree
from vlp3d_core.volume.volume import MODALITIES


class DataBox:
    """Drives everything in dataCollapsibleButton.

    Args:
        ui: the panel's widgets.
        work: a `Work`.
        onChanged: called when something has changed.
        say: shows a sentence of a kind in the panel.

    Attributes:
        findings: of the manifest that is chosen; None where nobody has looked through it yet.
    """

    def __init__(self, ui: Any, work: Any, onChanged: Callable[[], None], say: Callable[[str, str], None]) -> None:
        self.ui, self._work, self._onChanged, self._say = ui, work, onChanged, say
        self.parameters: Parameters | None = None
        self.findings: Findings | None = None
        self._checked = ""  # the manifest that the findings are of
        self._notes: tuple[str, ...] = ()
        self.source = ChoiceBox(ui.sourceComboBox, setter(self, "source", self._onChanged))
        self.modality = ChoiceBox(ui.modalityComboBox, setter(self, "modality", self._onChanged))
        self.tree = SceneTree(ui, onChanged)
        self.captions = CaptionBox(ui, work, self._onManifest, say)
        ui.makeButton.connect("clicked(bool)", guard(self.make, say))
        ui.checkButton.connect("clicked(bool)", guard(self.check, say))
        folders = {"folder": ui.folderButton, "output": ui.outputButton}
        files = {
            "reports": (ui.reportsButton, _("Tables (*.csv)")),
            "manifest": (ui.manifestButton, _("Manifests (*.jsonl)")),
        }
        for name, button in folders.items():
            button.connect("clicked(bool)", guard(self._browser(name, self._askFolder), say))
        for name, (button, kinds) in files.items():
            ask = self._fileAsker(kinds)
            button.connect("clicked(bool)", guard(self._browser(name, ask), say))

    def show(self, parameters: Parameters | None) -> None:
        """Follow the parameters and the scene."""
        self.parameters = parameters
        source = parameters.source if parameters is not None else FOLDER
        sources = [(_("A folder of scans"), FOLDER), (_("Volumes of this scene"), SCENE), (_("A manifest"), READY)]
        self.source.show(sources, source)
        modality = parameters.modality if parameters is not None else ""
        self.modality.show([(_("From the files"), ""), *((name, name) for name in MODALITIES)], modality)
        self.ui.folderFrame.visible = source == FOLDER
        self.ui.sceneFrame.visible = source == SCENE
        for widget in (self.ui.outputEdit, self.ui.outputButton, self.ui.outputEditLabel, self.ui.makeButton):
            widget.visible = source != READY
        if source == SCENE:
            self.tree.show(slicer.mrmlScene)
        manifest = parameters.manifest.strip() if parameters is not None else ""
        if manifest != self._checked:
            self._checked, self.findings, self._notes = manifest, None, ()
            self._showFindings()
        self.captions.show(manifest)
        self._showButtons(source, manifest)

    def make(self) -> None:
        """Make the manifest, then look through it."""
        parameters = self.parameters
        if parameters is None:
            return
        output = _path(parameters.output)
        if parameters.source == SCENE:
            writer = SceneWriter(slicer.mrmlScene, self.tree.pairs(), output, modality=parameters.modality)
            titles = (_("'{name}' is written …").format(name=name) for name in writer)
            self._work.steps(_("Writing volumes …"), titles, lambda _nothing: self._written(writer))
            return
        output.mkdir(parents=True, exist_ok=True)
        words = ["manifest", "build", str(_path(parameters.folder)), f"--output={output / MANIFEST}"]
        words += [f"--reports={_path(parameters.reports)}"] if parameters.reports.strip() else []
        words += [f"--modality={parameters.modality}"] if parameters.modality else []
        self._work.command(_("Looking for volumes …"), words, self._built)

    def check(self) -> None:
        """Open every file of the manifest."""
        if self.parameters is None:
            return
        manifest = self.parameters.manifest

        def checked(said: Mapping[str, Any]) -> None:
            if self.parameters is not None and self.parameters.manifest == manifest:  # else another is chosen by now
                self._checkedIt(said)

        self._work.command(_("Looking through the files …"), ["manifest", "check", str(_path(manifest))], checked)

    def _written(self, writer: SceneWriter) -> None:
        written = writer.finish()
        self._onManifest(written.manifest, written.notes)

    def _built(self, said: Mapping[str, Any]) -> None:
        self._onManifest(Path(str(said["manifest"])), tuple(map(str, said.get("notes", ()))))

    def _onManifest(self, manifest: Path, notes: tuple[str, ...] = ()) -> None:
        if self.parameters is not None:
            self.parameters.manifest = str(manifest)
            self._checked, self.findings, self._notes = str(manifest), None, notes
            self.check()

    def _checkedIt(self, said: Mapping[str, Any]) -> None:
        self.findings = readFindings({**said, "notes": [*self._notes, *said.get("notes", ())]})
        self._showFindings()
        self._onChanged()

    def _showFindings(self) -> None:
        found = self.findings
        tell(self.ui.findingsLabel, found.text() if found else "", found.kind if found else "plain")
        self.ui.countsTree.clear()
        self.ui.countsTree.visible = found is not None
        for what, value, count in found.counts if found else ():
            item = qt.QTreeWidgetItem()
            for column, text in enumerate((what, value, str(count))):
                item.setText(column, text)
            self.ui.countsTree.addTopLevelItem(item)

    def _showButtons(self, source: str, manifest: str) -> None:
        busy = _("Wait until the work is over, or cancel it.") if self._work.busy else ""
        nothing = "" if Path(manifest).is_file() and manifest else _("Make or choose a manifest first.")
        hints = {
            self.ui.makeButton: (busy or self._obstacle(source), _("Write the manifest, and look through every file.")),
            self.ui.checkButton: (busy or nothing, _("Open every file of the manifest and say what is wrong.")),
            self.ui.captionButton: (
                busy or nothing,
                _("Write a text for each volume without a report, from measured facts; nothing leaves this computer."),
            ),
        }
        for button, (reason, hint) in hints.items():
            button.enabled = not reason
            button.toolTip = reason or hint

    def _obstacle(self, source: str) -> str:
        """Why no manifest can be made; "" when it can."""
        if self.parameters is None:
            return _("Wait until the scene is there.")
        if source == FOLDER and not self.parameters.folder.strip():
            return _("Choose the folder of scans first.")
        if source == FOLDER and not _path(self.parameters.folder).is_dir():
            return _("The folder of scans does not exist.")
        if source == SCENE and not self.tree.pairs():
            return _("Load volumes, and check those that are for training.")
        return "" if self.parameters.output.strip() else _("Choose the folder that the data go into.")

    def _browser(self, name: str, ask: Callable[[str], str]) -> Callable[[], None]:
        def browse() -> None:
            chosen = ask(getattr(self.parameters, name)) if self.parameters is not None else ""
            if chosen:
                setattr(self.parameters, name, chosen)

        return browse

    def _askFolder(self, start: str) -> str:
        return str(qt.QFileDialog.getExistingDirectory(self.ui.folderButton, _("Choose a folder"), start) or "")

    def _fileAsker(self, kinds: str) -> Callable[[str], str]:
        def ask(start: str) -> str:
            return str(qt.QFileDialog.getOpenFileName(self.ui.folderButton, _("Choose a file"), start, kinds) or "")

        return ask


def _path(text: str) -> Path:
    return Path(text.strip()).expanduser().absolute()

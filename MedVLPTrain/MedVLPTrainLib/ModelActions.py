"""The buttons at the end of a training: use its model, give it away, look at what it finds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from MedVLPLib.Guard import guard
from MedVLPLib.Texts import _
from MedVLPTrainLib.Command import Answer
from MedVLPTrainLib.Errands import Errands
from MedVLPTrainLib.JobWords import titleOf
from MedVLPTrainLib.Obstacles import BUNDLE
from MedVLPTrainLib.UseModel import installWords, selectModel
from MedVLPTrainLib.ValidationCase import loadCase, segmentWords, showVolume, validationCase

FORMATS = ("bundle", "monai", "onnx")


class ModelActions:
    """Drives jobUseButton, jobExportFormatBox, jobExportButton and jobCaseButton.

    Args:
        jobs: a `jobs.book.Jobs`.
        current: gives the JobView of the chosen job.
        say: shows a sentence of a kind in the panel.
        onStarted: called when something is under way that the timer has to look after.
    """

    def __init__(
        self,
        ui: Any,
        jobs: Any,
        errands: Errands,
        current: Callable[[], Any],
        say: Callable[[str, str], None],
        onStarted: Callable[[], None],
    ) -> None:
        self._box, self._jobs, self._errands = ui.jobExportFormatBox, jobs, errands
        self._current, self._say, self._onStarted = current, say, onStarted
        titles = (_("MedVLP model (zip)"), _("MONAI bundle"), _("ONNX"))
        for title, name in zip(titles, FORMATS, strict=True):
            self._box.addItem(title, name)
        self.buttons = {"use": ui.jobUseButton, "export": ui.jobExportButton, "case": ui.jobCaseButton}
        for name, button in self.buttons.items():
            button.connect("clicked(bool)", guard(getattr(self, name), say))

    def underWay(self, action: str, id: str) -> str:
        """Why an action has to wait: it is being done; "" otherwise."""
        return _("This is being done already.") if self._errands.isUnderWay(f"{action} {id}") else ""

    def use(self) -> None:
        """Install the job's model and choose it in MedVLPSegment."""
        view = self._current()
        name, words = installWords(view.folder / BUNDLE, view.id)

        def onEnd(answer: Answer) -> None:
            if answer.error is None:
                self._say(_("The model '{name}' is installed.").format(name=name), "good")
                selectModel(name)

        if words:
            self._start("use", view, words, onEnd, _("The model of '{name}' is being checked and installed."))
        else:
            onEnd(Answer())

    def export(self) -> None:
        """Ask for a place, and write the job's model there with its card."""
        view = self._current()
        kind = str(self._box.itemData(self._box.currentIndex))
        path = self.askPath(f"{titleOf(view)}{'.zip' if kind == 'bundle' else f'-{kind}'}")
        if not path:
            return
        if kind == "bundle" and not path.lower().endswith(".zip"):
            path += ".zip"
        words = ["models", "export", str(view.folder / BUNDLE), f"--format={kind}", f"--output={path}"]

        def onEnd(answer: Answer) -> None:
            if answer.error is None:
                self._say(_("The model was written with its card: {path}.").format(path=path), "good")

        self._start("export", view, words, onEnd, _("The model of '{name}' is being written."))

    def case(self) -> None:
        """Segment the first validation volume with the job's model, and show both in the scene."""
        view = self._current()
        found = validationCase(self._jobs.find(view.id).spec().manifest)
        folder = Path(tempfile.mkdtemp(prefix="medvlp-"))
        out = folder / "case.seg.nrrd"
        title = _("{subject}, found by '{job}'").format(subject=found.subject, job=titleOf(view))

        def onEnd(answer: Answer) -> None:
            try:
                if answer.error is None:
                    volume, _segmentation = loadCase(found.image, out, title)
                    showVolume(volume)
                    text = _("The validation case {subject} is in the scene, with what the model finds there.")
                    self._say(text.format(subject=found.subject), "good")
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        text = _("The first validation case is being segmented with the model of '{name}'.")
        try:
            self._start("case", view, segmentWords(found, view.folder / BUNDLE, out), onEnd, text)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def askPath(self, name: str) -> str:
        """The file or new folder that the user names; "" when cancelled."""
        safe = "".join(c if c.isalnum() or c in " ._-" else "_" for c in name)
        return str(qt.QFileDialog.getSaveFileName(self.buttons["export"], _("Export model"), safe) or "")

    def _start(
        self, action: str, view: Any, words: list[str], onEnd: Callable[[Answer], None], text: str
    ) -> None:  # fmt: skip
        def ended(answer: Answer) -> None:
            if answer.error is not None:
                self._say(str(answer.error), "error")
                slicer.util.errorDisplay(str(answer.error))
            onEnd(answer)

        self._errands.start(f"{action} {view.id}", words, ended)
        self._say(text.format(name=titleOf(view)), "plain")
        self._onStarted()

"""The buttons that act on a job: stop, resume, clone, remove, and look at what it has written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from MedVLPLib.Guard import guard
from MedVLPLib.Texts import _
from MedVLPTrainLib.Boards import Boards
from MedVLPTrainLib.Command import Answer
from MedVLPTrainLib.Errands import Errands
from MedVLPTrainLib.JobCurves import JobCurves
from MedVLPTrainLib.JobWords import titleOf
from MedVLPTrainLib.Obstacles import REPORT


class JobActions:
    """Drives jobStopButton, jobResumeButton, jobCloneButton, jobRemoveButton, jobCurvesButton, jobReportButton,
    jobBoardButton and jobFolderButton.

    Args:
        jobs: a `jobs.book.Jobs`.
        current: gives the JobView of the chosen job.
        curves: of that job.
        say: shows a sentence of a kind in the panel.
        onClone: takes the JobSpec of a job.
        onStarted: called when something is under way that the timer has to look after.
    """

    def __init__(
        self,
        ui: Any,
        jobs: Any,
        errands: Errands,
        boards: Boards,
        curves: JobCurves,
        current: Callable[[], Any],
        say: Callable[[str, str], None],
        onClone: Callable[[Any], None],
        onStarted: Callable[[], None],
    ) -> None:
        self._jobs, self._errands, self._boards, self._curves = jobs, errands, boards, curves
        self._current, self._say, self._onClone, self._onStarted = current, say, onClone, onStarted
        self.buttons = {
            "stop": ui.jobStopButton,
            "resume": ui.jobResumeButton,
            "clone": ui.jobCloneButton,
            "remove": ui.jobRemoveButton,
            "curves": ui.jobCurvesButton,
            "report": ui.jobReportButton,
            "board": ui.jobBoardButton,
            "folder": ui.jobFolderButton,
        }
        for name, button in self.buttons.items():
            button.connect("clicked(bool)", guard(getattr(self, name), say))

    def underWay(self, action: str, id: str) -> str:
        """Why an action has to wait: it is being done; "" otherwise."""
        if self._errands.isUnderWay(f"{action} {id}") or (action == "board" and self._boards.isStarting(id)):
            return _("This is being done already.")
        return ""

    def stop(self) -> None:
        """Ask the job to save and end."""
        self._send("stop", "cancel", _("'{name}' is asked to save and to stop."))

    def resume(self) -> None:
        """Put the job back into its queue."""
        self._send("resume", "resume", _("'{name}' goes on from its last checkpoint, or from the start."))

    def remove(self) -> None:
        """Delete the job, if the user really wants that."""
        view = self._current()
        question = _("Remove the job '{name}' with its log, checkpoints and model? This cannot be undone.")
        if view is not None and slicer.util.confirmYesNoDisplay(question.format(name=titleOf(view))):
            self._boards.end(view.id)
            self._send("remove", "remove", _("'{name}' is being removed."), view)

    def clone(self) -> None:
        """Hand over the job's spec, for a new job."""
        self._onClone(self._jobs.find(self._current().id).spec())

    def curves(self) -> None:
        """Show the job's curves in a plot view; a layout that has one is chosen where there is none."""
        chart = self._curves.show()
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        self._onStarted()

    def report(self) -> None:
        """Open the job's page in the browser."""
        self._openFile(self._current().folder / REPORT)

    def folder(self) -> None:
        """Open the job's folder in the system's file manager."""
        self._openFile(self._current().folder)

    def board(self) -> None:
        """Start TensorBoard; its page opens in the browser."""
        view = self._current()
        self._boards.open(view.id, view.folder)
        self._say(_("TensorBoard is starting; its page opens in your browser."), "plain")
        self._onStarted()

    def openPage(self, address: str) -> None:
        """Open a page of TensorBoard."""
        self._open(qt.QUrl(address))

    def _send(self, action: str, command: str, text: str, view: Any = None) -> None:
        """A `vlp3d jobs` command for the chosen job. In a process of its own: a cluster may let it wait."""
        view = view if view is not None else self._current()

        def onEnd(answer: Answer) -> None:
            if answer.error is not None:
                self._say(str(answer.error), "error")

        self._errands.start(f"{action} {view.id}", ["jobs", command, view.id], onEnd)
        self._say(text.format(name=titleOf(view)), "plain")
        self._onStarted()

    def _openFile(self, path: Path) -> None:
        self._open(qt.QUrl.fromLocalFile(str(path)))

    def _open(self, url: Any) -> None:
        if not qt.QDesktopServices.openUrl(url):
            self._say(_("Nothing on this computer opens {address}.").format(address=url.toString()), "error")

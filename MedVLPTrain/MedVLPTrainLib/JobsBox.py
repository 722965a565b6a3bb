"""The lower half of the panel: the table of jobs, and everything about the chosen one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer

from MedVLPLib.Dependencies import pythonExecutable
from MedVLPLib.Guard import errorsShown
from MedVLPLib.Tell import tell
from MedVLPTrainLib.Boards import Boards
from MedVLPTrainLib.CurveNodes import CurveNodes
from MedVLPTrainLib.Errands import Errands
from MedVLPTrainLib.JobActions import JobActions
from MedVLPTrainLib.JobCurves import JobCurves
from MedVLPTrainLib.JobLog import JobLog
from MedVLPTrainLib.JobRows import JobRows
from MedVLPTrainLib.JobsTable import JobsTable
from MedVLPTrainLib.JobWords import sentenceOf
from MedVLPTrainLib.ModelActions import ModelActions
from MedVLPTrainLib.Obstacles import obstacles

LOOK, TABLE = 0.0015, 0.001
"""Seconds of a tick for looking at the files, and for writing into the table. A row that was begun is finished, and a
piece of the curves is a tick of its own: together they stay below 5 ms."""
QUICK, CALM, AWAY = 10, 250, 2000
"""Milliseconds between two ticks: while there is more to read, otherwise, and while another module is shown."""


class JobsBox:
    """Connects the parts, and looks after the jobs as long as somebody looks or something runs.

    Args:
        ui: the widgets of MedVLPTrainJobs.ui.
        logic: its attribute `jobs` is a `jobs.book.Jobs`.
        say: shows a sentence of a kind ("plain", "good", "error", …) in the panel.
        onClone: takes the JobSpec of a job that shall be the pattern of a new one.
    """

    def __init__(
        self, ui: Any, logic: Any, say: Callable[[str, str], None], onClone: Callable[[Any], None]
    ) -> None:  # fmt: skip
        self.ui, self._say = ui, say
        self._shown = self._ticking = self._closed = self._follows = False
        self._more = {True: False, False: False}
        self.rows = JobRows(logic.jobs.watch())
        self.errands = Errands(pythonExecutable(), {"MEDVLP_JOBS": str(logic.jobs.root)})
        self.boards = Boards(self.errands.python, lambda page: self.actions.openPage(page))
        self.curves = JobCurves(CurveNodes(slicer.mrmlScene))
        self.log = JobLog(ui)
        self.table = JobsTable(ui, self.rows, self._onChosen)
        self.actions = JobActions(
            ui, logic.jobs, self.errands, self.boards, self.curves, self.current, say, onClone, self._soon
        )
        self.models = ModelActions(ui, logic.jobs, self.errands, self.current, say, self._soon)
        self._told: dict[str, str] = {}
        self._hints = {
            name: (button, str(button.toolTip)) for name, button in (self.actions.buttons | self.models.buttons).items()
        }
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._onTimer)
        self._showChosen()

    def current(self) -> Any:
        """The JobView of the chosen job; None for none."""
        return self.rows.view(self.table.chosen) if self.table.chosen else None

    def selectJob(self, id: str) -> None:
        """Choose a job, also one that was submitted just now."""
        self.table.select(id)
        self._soon()

    def enter(self) -> None:
        """The module is shown."""
        self._shown = True
        self._soon()

    def exit(self) -> None:
        """Another module is shown: what runs is looked after, less often."""
        self._shown = False

    def refresh(self) -> None:
        """Look at everything once, now; what does not fit into a tick comes with the next ones."""
        self._tick()
        self._tick()
        self._soon()

    def close(self) -> None:
        """The panel goes away: nothing is called any more, the jobs themselves go on."""
        self._closed = True
        self._timer.stop()
        self.errands.close()
        self.boards.close()

    def _soon(self) -> None:
        """Tick soon, whatever the timer had in mind."""
        if not self._closed:
            self._timer.start(QUICK)

    def _onTimer(self) -> None:
        if self._ticking:
            return  # a message box lets timers run; the tick that shows it goes on afterwards
        with errorsShown(self._say):
            self._tick()
        if self._closed:
            return
        if self._follows or any(self._more.values()):
            self._timer.start(QUICK)
        elif self._shown or self.errands.busy or self.boards.busy:
            self._timer.start(CALM)
        elif self.rows.active:
            self._timer.start(AWAY)

    def _tick(self) -> None:
        """One of two halves in turn: all jobs, or the chosen one."""
        self._ticking, self._follows = True, not self._follows
        self._more[self._follows] = False
        try:
            self._more[self._follows] = self._lookAtAll() if self._follows else self._lookAtChosen()
        finally:
            self._ticking = False

    def _lookAtAll(self) -> bool:
        """Whether there is more to do right away."""
        changed = self.rows.refresh(LOOK)
        self.table.queue(changed)
        waits = self.table.show(time.perf_counter() + TABLE)
        if self.table.chosen in changed:
            self._showChosen()
        return waits or bool(changed) or not self.rows.complete

    def _lookAtChosen(self) -> bool:
        self.log.more()
        more = self.curves.more()
        self._showButtons(self.current())
        self.errands.poll()
        self.boards.poll()
        return more

    def _onChosen(self) -> None:
        """Another job was chosen, or the chosen one is gone."""
        with errorsShown(self._say):
            view = self.current()
            if view is None:
                self.curves.gone()
            else:
                self.curves.choose(view)
            self.log.choose(view.folder if view is not None else None)
            self._showChosen()
            self._soon()

    def _showChosen(self) -> None:
        view = self.current()
        kind = "error" if view is not None and view.error is not None else "plain"
        tell(self.ui.jobAboutLabel, sentenceOf(view) if view is not None else "", kind)
        self._showButtons(view)

    def _showButtons(self, view: Any) -> None:
        """Enable what can be done; the tooltip of a disabled button says why it cannot."""
        for name, problem in obstacles(view).items():
            owner = self.actions if name in self.actions.buttons else self.models
            reason = problem or (owner.underWay(name, view.id) if view is not None else "")
            if self._told.get(name) != reason:
                self._told[name] = reason
                button, hint = self._hints[name]
                button.enabled = not reason
                button.toolTip = reason or hint

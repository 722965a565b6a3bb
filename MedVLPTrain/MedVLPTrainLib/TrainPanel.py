"""The panel as a whole: four steps, from data to a job that runs."""

from __future__ import annotations

from typing import Any

import qt

from MedVLPLib.DependencyBox import DependencyBox
from MedVLPLib.Guard import guard
from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPTrainLib.DataBox import DataBox
from MedVLPTrainLib.MethodBox import MethodBox
from MedVLPTrainLib.Parameters import Parameters, readForm, writeForm
from MedVLPTrainLib.SpecForm import formOf
from MedVLPTrainLib.TargetBox import TargetBox
from MedVLPTrainLib.Work import Work
from vlp3d_core.errors import MedVLPError


class TrainPanel:
    """Connects the steps with the parameter node and the logic.

    Args:
        ui: the widgets of MedVLPTrain.ui.
        logic: a `TrainLogic`.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self.ui, self.logic = ui, logic
        self.parameters: Parameters | None = None
        self.jobsBox: Any = None
        self._refreshLater = qt.QTimer()
        self._refreshLater.setSingleShot(True)
        self._refreshLater.setInterval(0)
        self._refreshLater.connect("timeout()", guard(self.refresh, self.say))
        self.dependencies = DependencyBox(ui, self.queueRefresh, self.say, training=True)
        self.work = Work(ui, logic.python, self.queueRefresh, self.say)
        self.data = DataBox(ui, self.work, self.queueRefresh, self.say)
        self.method = MethodBox(ui, logic, self.work, self.queueRefresh, self.say)
        self.target = TargetBox(ui, logic, self.work, self.queueRefresh, self.say)
        ui.launchButton.connect("clicked(bool)", guard(self.launch, self.say))
        self.say("")
        self.refresh()

    def addJobs(self, uiWidget: Any) -> None:
        """Put the table of jobs below the steps.

        Args:
            uiWidget: the widget of MedVLPTrainJobs.ui.
        """
        import slicer

        from MedVLPTrainLib.JobsBox import JobsBox

        self.ui.jobsFrame.layout().addWidget(uiWidget)
        parts = slicer.util.childWidgetVariables(uiWidget)
        self.jobsBox = JobsBox(parts, self.logic, self.say, self.onClone)

    def say(self, text: str, kind: str = "plain") -> None:
        """Show a sentence below the launch button."""
        tell(self.ui.messageLabel, text, kind)

    def setParameters(self, parameters: Parameters | None) -> None:
        """Follow these parameters from now on; None while there is no scene."""
        self.parameters = parameters
        if parameters is None:  # what is under way was for the scene that goes
            self.data.tree.forget()
            self.work.cancel()
        self.refresh()

    def queueRefresh(self) -> None:
        """Refresh when the present event has been handled; many calls become one."""
        self._refreshLater.start()

    def enter(self) -> None:
        """The module is shown: see what is missing, which targets there are and what a training can start from."""
        self.dependencies.refresh()
        self.target.lookAround()
        self.method.lookAround()
        self.refresh()
        if self.jobsBox is not None:
            self.jobsBox.enter()

    def exit(self) -> None:
        """Another module is shown."""
        if self.jobsBox is not None:
            self.jobsBox.exit()

    def close(self) -> None:
        """The panel goes away: stop its own work; jobs go on."""
        self.parameters = None
        self._refreshLater.stop()
        self.work.close()
        self.method.close()
        if self.jobsBox is not None:
            self.jobsBox.close()

    def refresh(self) -> None:
        """Bring every step in line with the parameters and the scene."""
        parameters = self.parameters
        self.data.show(parameters)
        problem = self._settingsProblem()
        tell(self.ui.settingsLabel, problem if parameters is not None and parameters.manifest.strip() else "", "error")
        obstacle = self._obstacle(problem)
        self.method.show(parameters, obstacle)
        self.target.show(parameters)
        self.ui.launchButton.enabled = not obstacle
        self.ui.launchButton.toolTip = obstacle or _("Start the training. It goes on when Slicer is closed.")

    def launch(self) -> None:
        """Submit the job."""
        if self.parameters is not None:
            self.target.submit(readForm(self.parameters), self.onSubmitted)

    def onSubmitted(self, id: str) -> None:
        """Show the job that has started."""
        self.say(_("The job {id} is submitted. It goes on when Slicer is closed.").format(id=id), "good")
        if self.jobsBox is not None:
            self.jobsBox.selectJob(id)

    def onClone(self, spec: Any) -> None:
        """Fill the form from a job."""
        if self.parameters is not None:
            writeForm(self.parameters, formOf(spec))
            self.say(_("The form is filled from the job '{name}'.").format(name=spec.name or spec.kind))
            self.queueRefresh()

    def _settingsProblem(self) -> str:
        """What is wrong with the form; "" when nothing is."""
        if self.parameters is None:
            return _("Wait until the scene is there.")
        try:
            self.logic.spec(readForm(self.parameters))
        except MedVLPError as error:
            return str(error)
        return ""

    def _obstacle(self, problem: str) -> str:
        """Why no training can start; "" when one can."""
        if self.dependencies.missing:
            return _("Install what is missing first (at the top of the panel).")
        if problem or self.parameters is None:
            return problem
        found = self.data.findings
        if not self.work.busy and found is None:
            return _("Check the data first (button 'Check' in the step Data).")
        if found is None or self.work.busy:
            return self._busy()
        form = readForm(self.parameters)
        return found.obstacle(form.method, self.logic.modality(form))

    def _busy(self) -> str:
        return _("Wait until the work is over, or cancel it.") if self.work.busy else ""

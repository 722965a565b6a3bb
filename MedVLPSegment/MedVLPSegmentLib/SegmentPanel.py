"""The panel as a whole: takes what the user chose from the parameter node, asks the logic, shows what comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from MedVLPLib.DependencyBox import DependencyBox
from MedVLPLib.Guard import errorsShown, guard
from MedVLPLib.Texts import _
from MedVLPLib.Volumes import checkVolumeNode
from MedVLPSegmentLib.AdvancedBox import AdvancedBox
from MedVLPSegmentLib.Cards import readCards
from MedVLPSegmentLib.Estimate import Estimate
from MedVLPSegmentLib.FindBox import FindBox
from MedVLPSegmentLib.ImageFacts import ImageFacts
from MedVLPSegmentLib.Looking import Looking
from MedVLPSegmentLib.ModelChoice import ModelChoice
from MedVLPSegmentLib.Parameters import ALL, Parameters, chosenStructures
from MedVLPSegmentLib.ResultList import ResultList
from MedVLPSegmentLib.Results import resultRows
from MedVLPSegmentLib.RunBar import RunBar
from MedVLPSegmentLib.Saving import Saving
from MedVLPSegmentLib.StructureTree import StructureTree
from MedVLPSegmentLib.WorkerTimer import WorkerTimer
from vlp3d_core.errors import MedVLPError

SHOWN = ("segment", "find", "encode")
"""Kinds of runs that the progress bar shows and Cancel stops."""


class SegmentPanel:
    """Connects the panel's parts with the parameter node and the logic.

    Args:
        ui: the widgets of MedVLPSegment.ui.
        logic: a `SegmentLogic`.
        resources: the module's folder Resources.
    """

    def __init__(self, ui: Any, logic: Any, resources: Path) -> None:
        self.ui, self.logic = ui, logic
        self.parameters: Parameters | None = None
        self.findRun: Any = None
        self.runBar = RunBar(ui)
        self.timer = WorkerTimer(logic, self._guard(self._onIdle))
        self.facts = ImageFacts()
        self.looking = Looking(logic, self.timer.start, self.queueRefresh)
        self.estimate = Estimate(logic, self._guard, self.timer.start, self.runBar.estimate)
        self.dependencies = DependencyBox(ui, self.wake, self.runBar.say)
        self.models = ModelChoice(ui, self._guard(self._onModel))
        self.structures = StructureTree(ui, self._guard(self._onStructures))
        self.results = ResultList(ui, resources / "Icons")
        self.saving = Saving(ui, lambda: self.results.node, self.runBar.say)
        slots = (self.startFind, self.startFindAlike, self._onPreview, self._onKeep)
        self.find = FindBox(ui, *map(self._guard, slots))
        self.advanced = AdvancedBox(ui, self._guard(self._onDevice), self._guard(self.stopWorker))
        self._refreshLater = qt.QTimer()
        self._refreshLater.setSingleShot(True)
        self._refreshLater.setInterval(0)
        self._refreshLater.connect("timeout()", self._guard(self.refresh))
        ui.segmentButton.connect("clicked(bool)", self._guard(self.onSegmentButton))
        self.models.setModels(readCards())
        self.refresh()

    def setParameters(self, parameters: Parameters | None) -> None:
        """Follow these parameters from now on; None while there is no scene."""
        self.parameters = parameters
        if parameters is None:
            self.findRun = None
            self.find.clear()
        self.refresh()

    def queueRefresh(self) -> None:
        """Refresh when the present event has been handled; many calls become one."""
        self._refreshLater.start()

    def enter(self) -> None:
        """The module is shown: look for what is missing, and wake the worker where it is to be kept warm."""
        self.dependencies.refresh()
        self.refresh()
        if self.parameters is not None and self.parameters.keepWarm:
            self.wake()

    def wake(self) -> None:
        """Start the worker if everything is installed and it does not run: returns at once, answers come later."""
        self.queueRefresh()
        if not self.dependencies.missing and not self.logic.worker.running:
            with errorsShown(self.runBar.say):
                self.logic.hello(onEnd=self._onHello)
                self.logic.models(onEnd=self._onModels)
                self.timer.start()

    def stopWorker(self) -> None:
        """End the worker process; the next request starts it again."""
        self.logic.cancelAll()
        self.logic.worker.close()
        self.logic.poll()
        self.advanced.log(_("The worker was stopped."))

    def close(self) -> None:
        """The panel goes away: end the worker, and call nothing any more."""
        self.parameters = None
        self.logic.close()  # ends what runs, which would ask for a refresh
        self._refreshLater.stop()
        self.estimate.stop()
        self.timer.stop()

    def refresh(self) -> None:
        """Bring every part in line with the parameters and the scene."""
        self.structures.flush()
        parameters = self.parameters
        volume = parameters.inputVolume if parameters else None
        facts = self.facts.of(volume)
        self.models.show(parameters.model if parameters else "", facts, self.looking.of(volume))
        model = self.models.model()
        known = model["concepts"] if model else []
        self.structures.show(known, chosenStructures(parameters, known) if parameters else known)
        self.find.suggest(known)
        if parameters:
            self.advanced.show(parameters.device)
        self._showResults()
        self._checkButtons(volume)

    def onSegmentButton(self) -> None:
        """Start, or stop what runs."""
        if not self.runBar.busy:
            self.startSegment()
        elif self.runBar.mayCancel():
            self.runBar.stopping()
            for run in self.logic.runs:
                if run.kind in SHOWN:
                    run.cancel()

    def startSegment(self) -> None:
        """Segment the chosen structures of the chosen volume."""
        parameters = self.parameters
        if parameters is not None:
            run = self.logic.segment(
                parameters.inputVolume,
                None if self.structures.allChosen() else self.structures.chosen(),
                roiNode=parameters.roi,
                segmentationNode=parameters.segmentation,
                surfaces=parameters.surfaces,
                onEnd=self._onSegmented,
                **self._how(parameters),
            )
            self._begin(run)

    def startFind(self) -> None:
        """Look for the words in the chosen volume."""
        parameters = self.parameters
        if parameters is None or not parameters.query.strip():
            self.find.say(_("Type what to look for, for example 'left kidney'."))
            return
        run = self.logic.find(parameters.inputVolume, parameters.query, onEnd=self._onFound, **self._how(parameters))
        self._begin(run)

    def startFindAlike(self) -> None:
        """Look for what looks like the chosen segment in the chosen volume."""
        parameters = self.parameters
        if parameters is not None:
            volume, how = parameters.inputVolume, self._how(parameters)
            self._begin(self.logic.findAlike(volume, *self.find.example(), onEnd=self._onFound, **how))

    def _how(self, parameters: Parameters) -> dict[str, Any]:
        return {
            "model": self.models.choice.name,
            "device": parameters.device,
            "tile": parameters.tile or None,
            "onProgress": self.runBar.progress,
        }

    def _begin(self, run: Any) -> None:
        self.runBar.start()
        self.advanced.log(f"{run.kind}: {run.volumeName}")
        self.timer.start()
        self.queueRefresh()

    def _onSegmented(self, run: Any) -> None:
        text, kind = "", "plain"
        if run.state == "done" and self.parameters is not None:
            added = run.result
            self.parameters.result = added.node
            text = _("{found} of {asked} structures found.").format(found=len(added.ids), asked=len(added.segments))
            text, kind = " ".join([text, *added.notes]), "plain" if added.ids else "warning"
        self._end(run, text, kind)

    def _onFound(self, run: Any) -> None:
        self._end(run)
        if run.state == "done" and self.parameters is not None:
            self.findRun = run
            self.logic.clearPreview()
            self.find.show(run.result)

    def _end(self, run: Any, text: str = "", kind: str = "plain") -> None:
        """A shown run is over; its error, if there is one, is the message."""
        if run.error is not None:
            text, kind = str(run.error), "plain" if run.state == "cancelled" else "error"
            self.advanced.log(text)
            if run.state == "failed":
                self.advanced.log(self.logic.worker.details)
        if not any(other.kind in SHOWN for other in self.logic.runs):
            self.runBar.end(text, kind)
        self.queueRefresh()

    def _onIdle(self) -> None:
        if self.parameters is not None and not self.parameters.keepWarm:
            self.stopWorker()

    def _onHello(self, run: Any) -> None:
        if run.error is not None:
            if run.state == "failed":
                self._end(run)
            return
        facts = run.result
        self.advanced.setDevices(facts["devices"])
        self.advanced.log("vlp3d_core {version}, Python {python}, torch {torch}".format(**facts))
        for device in facts["devices"]:
            self.advanced.log(f"{device['name']}: {device['title']}")
        self.queueRefresh()

    def _onModels(self, run: Any) -> None:
        if run.error is None:
            self.models.setModels(run.result)
            self.queueRefresh()

    def _onModel(self) -> None:
        if self.parameters is not None:
            self.parameters.model = self.models.chosenName()
            self.queueRefresh()

    def _onStructures(self) -> None:
        if self.parameters is not None:
            chosen = self.structures.chosen()
            self.parameters.structures = ALL if self.structures.allChosen() else ",".join(chosen)
            self.queueRefresh()

    def _onDevice(self) -> None:
        if self.parameters is not None:
            self.parameters.device = self.advanced.device()

    def _onPreview(self) -> None:
        region = self.find.current()
        if self.findRun is not None and region is not None:
            self.logic.showRegion(self.findRun, region)
            self.logic.jumpToRegion(self.findRun, region)

    def _onKeep(self) -> None:
        region = self.find.current()
        if self.parameters is not None and region is not None:
            added = self.logic.keepRegion(self.findRun, region, self.parameters.segmentation)
            self.parameters.result = added.node
            text = _("'{region}' is a segment of '{segmentation}' now.")
            self.find.say(text.format(region=region.name, segmentation=added.node.GetName()))

    def _showResults(self) -> None:
        node = self.parameters.result if self.parameters else None
        self.results.show(node, resultRows(node) if node is not None else ())

    def _checkButtons(self, volume: Any) -> None:
        obstacle = self._obstacle(volume)
        nothing = "" if self.structures.chosen() else _("Choose at least one structure.")
        self.runBar.setReady(obstacle or nothing)
        self.find.setReady(obstacle or (_("Wait until the run is over, or cancel it.") if self.runBar.busy else ""))
        if obstacle or self.parameters is None:
            self.estimate.clear()
        elif not self.runBar.busy and self.parameters.keepWarm and self.logic.worker.running:
            if self.models.choice.several:
                self.looking.ask(volume, len(self.models.models), self.parameters.device)
            self.estimate.update(self.parameters, self.models.choice.name)

    def _obstacle(self, volume: Any) -> str:
        """Why nothing can be run; "" when it can."""
        if self.dependencies.missing:
            return _("Install what is missing first (at the top of the panel).")
        if volume is None:
            return _("Choose a volume first. Load one, or take 'MedVLP phantom' in the module Sample Data.")
        try:
            checkVolumeNode(volume)
        except MedVLPError as error:
            return str(error)
        return "" if self.models.model() else self.models.choice.reason

    def _guard(self, slot: Callable[[], None]) -> Callable[[], None]:
        return guard(slot, self.runBar.say)

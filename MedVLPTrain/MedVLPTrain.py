"""The Slicer module MedVLPTrain: entry, panel, logic and self test. What they do is in MedVLPTrainLib."""

import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
)

if not (Path(__file__).parent / "vlp3d_core").is_dir():
    # In the source tree the engine and MedVLPLib lie one folder up; where the extension is installed, beside this file.
    sys.path.append(str(Path(__file__).resolve().parents[1]))

from MedVLPLib.ModuleWidget import ModuleWidget
from MedVLPTrainLib.SelfTest import MedVLPTrainTest
from MedVLPTrainLib.TrainLogic import TrainLogic

__all__ = ["MedVLPTrain", "MedVLPTrainLogic", "MedVLPTrainTest", "MedVLPTrainWidget"]


class MedVLPTrain(ScriptedLoadableModule):
    """What Slicer's list of modules shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedVLP Train")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations"]
        self.parent.contributors = ["MedVLP contributors"]
        self.parent.helpText = _(
            "Trains vision-language models on own volumes, from a folder or from the scene, on this computer or on a"
            " cluster. A training goes on when Slicer is closed. For research; not for diagnosis."
        )
        self.parent.acknowledgementText = _("The methods and their papers are named in the documentation.")


class MedVLPTrainLogic(TrainLogic, ScriptedLoadableModuleLogic):  # in this order: Slicer's class calls super()
    """`TrainLogic`, which see, with Slicer's parameter node."""

    def __init__(self, jobs=None, python=None):
        TrainLogic.__init__(self, jobs, python)
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The panel's parameters in the scene."""
        from MedVLPTrainLib.Parameters import readParameters

        return readParameters(super().getParameterNode())


class MedVLPTrainWidget(ModuleWidget):
    """The four steps, and the table of jobs below them."""

    NODE_EVENTS = ("NodeAddedEvent", "NodeRemovedEvent")

    def makePanel(self):
        """Called when the module is opened for the first time."""
        from MedVLPTrainLib.TrainPanel import TrainPanel

        self.logic = MedVLPTrainLogic()
        panel = TrainPanel(self.ui, self.logic)
        panel.addJobs(slicer.util.loadUI(self.resourcePath("UI/MedVLPTrainJobs.ui")))
        return panel

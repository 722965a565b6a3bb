"""The Slicer module MedVLPTrain: entry, panel, logic and self test. What they do is in MedVLPTrainLib."""

import sys
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if not (Path(__file__).parent / "vlp3d_core").is_dir():
    # In the source tree the engine and MedVLPLib lie one folder up; where the extension is installed, beside this file.
    sys.path.append(str(Path(__file__).resolve().parents[1]))

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


class MedVLPTrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the .ui, makes the panel, and tells it what happens to scene and parameter node."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        """Called when the module is opened for the first time."""
        from MedVLPTrainLib.TrainPanel import TrainPanel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedVLPTrain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedVLPTrainLogic()
        self.panel = TrainPanel(self.ui, self.logic)
        self.panel.addJobs(slicer.util.loadUI(self.resourcePath("UI/MedVLPTrainJobs.ui")))
        scene = slicer.mrmlScene
        for event in (scene.StartCloseEvent, scene.StartImportEvent):
            self.addObserver(scene, event, self.onSceneGoes)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneIsThere)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self.addObserver(scene, event, self.onModified)
        slicer.app.connect("aboutToQuit()", self.onQuit)
        self.initializeParameterNode()

    def onQuit(self):
        """Called when Slicer begins to end: the panel's own commands end first; jobs go on."""
        self.panel.close()

    def cleanup(self):
        """Called when the module is reloaded and when Slicer unloads it."""
        if self.panel is None:
            return
        slicer.app.disconnect("aboutToQuit()", self.onQuit)
        self.setParameterNode(None)
        self.removeObservers()
        self.panel.close()
        self.panel = None

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self):
        """Called each time the user opens another module: commands and jobs go on."""
        self.panel.exit()

    def onReload(self):
        """Reload the module's own parts, too."""
        own = ("MedVLPTrainLib", "MedVLPLib", "vlp3d_core")
        for name in [name for name in sys.modules if name.partition(".")[0] in own]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneGoes(self, caller=None, event=None):
        """Before the scene is closed, or parameters of another scene are read."""
        self.setParameterNode(None)

    def onSceneIsThere(self, caller=None, event=None):
        """After that."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onModified(self, caller=None, event=None):
        """A parameter or the list of nodes has changed."""
        self.panel.queueRefresh()

    def initializeParameterNode(self):
        """Follow the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connect the widgets with a parameter node, or with none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self.panel.setParameters(parameterNode)

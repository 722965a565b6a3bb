"""The Slicer module MedVLPSegment: entry, panel, logic and self test. What they do is in MedVLPSegmentLib."""

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

from MedVLPLib import Dependencies
from MedVLPSegmentLib import Samples
from MedVLPSegmentLib.Logic import SegmentLogic
from MedVLPSegmentLib.SelfTest import MedVLPSegmentTest
from vlp3d_core.service.client import Worker

__all__ = ["MedVLPSegment", "MedVLPSegmentLogic", "MedVLPSegmentTest", "MedVLPSegmentWidget"]


class MedVLPSegment(ScriptedLoadableModule):
    """What Slicer's list of modules shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MedVLP Segment")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "Markups"]
        self.parent.contributors = ["MedVLP contributors"]
        self.parent.helpText = _(
            "Segments organs in CT, MR and EM volumes with an embedded vision-language model, and finds regions by"
            " words. Everything runs on this computer. For research; not for diagnosis."
        )
        self.parent.acknowledgementText = _("The models, their data and their licences are named on their cards.")
        slicer.app.connect("startupCompleted()", Samples.registerSamples)


class MedVLPSegmentLogic(SegmentLogic, ScriptedLoadableModuleLogic):  # in this order: Slicer's class calls super()
    """`SegmentLogic`, which see, with Slicer's parameter node, and Slicer's own Python for the worker."""

    def __init__(self, worker=None):
        SegmentLogic.__init__(self, worker=worker or Worker(Dependencies.pythonExecutable()))
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The panel's parameters in the scene."""
        from MedVLPSegmentLib.Parameters import readParameters

        return readParameters(super().getParameterNode())


class MedVLPSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the .ui, makes the panel, and tells it what happens to scene and parameter node."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None
        self._volumeNode = None

    def setup(self):
        """Called when the module is opened for the first time."""
        from MedVLPSegmentLib.SegmentPanel import SegmentPanel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedVLPSegment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedVLPSegmentLogic()
        self.panel = SegmentPanel(self.ui, self.logic, Path(self.resourcePath("")))
        scene = slicer.mrmlScene
        for event in (scene.StartCloseEvent, scene.StartImportEvent):
            self.addObserver(scene, event, self.onSceneGoes)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneIsThere)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onModified)
        slicer.app.connect("aboutToQuit()", self.onQuit)
        self.initializeParameterNode()

    def onQuit(self):
        """Called when Slicer begins to end: the worker ends first, the widgets later (`cleanup`)."""
        self.panel.close()

    def cleanup(self):
        """Called when the module is reloaded and when Slicer unloads it; the worker ends with it."""
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
        """Called each time the user opens another module: runs go on, a preview that nobody can end does not."""
        self.logic.clearPreview()

    def onReload(self):
        """Reload the module's own parts, too."""
        own = ("MedVLPSegmentLib", "MedVLPLib", "vlp3d_core")
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
        """A parameter, the volume or the list of nodes has changed."""
        self.followVolume()
        self.panel.queueRefresh()

    def followVolume(self):
        """Hear of it when the chosen volume gets other voxels or another transform."""
        volume = self._parameterNode.inputVolume if self._parameterNode is not None else None
        if volume is self._volumeNode:
            return
        for event in (slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, slicer.vtkMRMLVolumeNode.TransformModifiedEvent):
            if self._volumeNode is not None:
                self.removeObserver(self._volumeNode, event, self.onModified)
            if volume is not None:
                self.addObserver(volume, event, self.onModified)
        self._volumeNode = volume

    def initializeParameterNode(self):
        """Follow the scene's parameter node; the first volume is chosen where none is."""
        self.setParameterNode(self.logic.getParameterNode())
        if self._parameterNode.inputVolume is None:
            volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volume is not None and volume.GetClassName() == "vtkMRMLScalarVolumeNode":
                self._parameterNode.inputVolume = volume

    def setParameterNode(self, parameterNode):
        """Connect the widgets with a parameter node, or with none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self.followVolume()
        self.panel.setParameters(parameterNode)

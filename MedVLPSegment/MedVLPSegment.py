"""The Slicer module MedVLPSegment: entry, panel, logic and self test. What they do is in MedVLPSegmentLib."""

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

from MedVLPLib import Dependencies
from MedVLPLib.ModuleWidget import ModuleWidget
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


class MedVLPSegmentWidget(ModuleWidget):
    """Tells the panel also what happens to the chosen volume."""

    def __init__(self, parent=None):
        ModuleWidget.__init__(self, parent)
        self._volumeNode = None

    def makePanel(self):
        """Called when the module is opened for the first time."""
        from MedVLPSegmentLib.SegmentPanel import SegmentPanel

        self.logic = MedVLPSegmentLogic()
        return SegmentPanel(self.ui, self.logic, Path(self.resourcePath("")))

    def exit(self):
        """Called each time the user opens another module: runs go on, a preview that nobody can end does not."""
        self.logic.clearPreview()

    def onModified(self, caller=None, event=None):
        """A parameter, the volume or the list of nodes has changed."""
        self.followVolume()
        ModuleWidget.onModified(self)

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
        ModuleWidget.initializeParameterNode(self)
        if self._parameterNode.inputVolume is None:
            volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volume is not None and volume.GetClassName() == "vtkMRMLScalarVolumeNode":
                self._parameterNode.inputVolume = volume

    def setParameterNode(self, parameterNode):
        """Connect the widgets with a parameter node, or with none."""
        ModuleWidget.setParameterNode(self, parameterNode)
        self.followVolume()

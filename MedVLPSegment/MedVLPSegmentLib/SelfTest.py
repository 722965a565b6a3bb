"""The module's self test: runs in Slicer (also with `--testing --no-main-window`) and in our wiring host."""

import time

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from MedVLPLib import Dependencies
from MedVLPSegmentLib import Samples

PATIENCE = 600
"""Seconds until a run is taken for lost; a slow computer loads the model from a slow disk."""


class MedVLPSegmentTest(ScriptedLoadableModuleTest):
    """What a user does first, on the sample volume; and what an older scene does to the panel.

    Where PyTorch and its companions are not installed, nothing is installed and the runs are left out.
    """

    def setUp(self):
        """An empty scene, and the module's panel opened."""
        slicer.mrmlScene.Clear(0)
        self.widget = slicer.util.getModuleWidget("MedVLPSegment")
        self.widget.enter()

    def tearDown(self):
        """Leave nothing running."""
        self.widget.panel.stopWorker()
        slicer.mrmlScene.Clear(0)

    def test_buttonSaysWhyItIsDisabled(self):
        """Without a volume nothing can be started, and the tooltip says so."""
        assert not self.widget.ui.segmentButton.enabled
        assert self.widget.ui.segmentButton.toolTip != ""

    def test_parametersOfAnotherVersion(self):
        """Numbers that cannot be read take their defaults; fields of other versions stay."""
        from MedVLPSegmentLib.Parameters import VERSION, readParameters

        # A node of its own: the panel's is followed by Slicer's wrapper, which would print what it cannot read.
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        node.SetParameter("version", "0.9 beta")
        node.SetParameter("tile", "large")
        node.SetParameter("fieldOfTheFuture", "7")
        parameters = readParameters(node)
        assert (parameters.version, parameters.tile) == (VERSION, 0)
        assert node.GetParameter("fieldOfTheFuture") == "7"

    def test_segmentFindKeep(self):
        """The sample is segmented by a click, searched by words, and a region is kept."""
        if Dependencies.missing():
            self.delayDisplay("Not everything that the models need is installed: nothing is run.")
            return
        ui, panel = self.widget.ui, self.widget.panel
        volume = Samples.addPhantom()
        self.widget.initializeParameterNode()
        panel.parameters.inputVolume = volume
        panel.refresh()
        assert ui.segmentButton.enabled, ui.segmentButton.toolTip
        ui.segmentButton.click()
        self._waitForRuns()
        result = panel.parameters.result
        assert result is not None, ui.messageLabel.text
        count = result.GetSegmentation().GetNumberOfSegments()
        assert count > 0, ui.messageLabel.text
        assert ui.resultTree.topLevelItemCount == count
        ui.queryEdit.text = "mandible"
        panel.refresh()
        ui.findButton.click()
        self._waitForRuns()
        assert ui.regionTree.topLevelItemCount > 0, ui.findMessageLabel.text
        ui.keepButton.click()
        assert result.GetSegmentation().GetNumberOfSegments() == count + 1

    def _waitForRuns(self):
        end = time.monotonic() + PATIENCE
        while self.widget.panel.runBar.busy:
            assert time.monotonic() < end, "the run does not end"
            slicer.app.processEvents()
            time.sleep(0.01)
        slicer.app.processEvents()

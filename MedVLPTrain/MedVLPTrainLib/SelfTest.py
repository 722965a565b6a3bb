"""The module's self test: runs in Slicer (also with `--testing --no-main-window`) and in our wiring host."""

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest


class MedVLPTrainTest(ScriptedLoadableModuleTest):
    """What a user sees first. Nothing is installed, and no job is started."""

    def setUp(self):
        """An empty scene, and the module's panel opened."""
        slicer.mrmlScene.Clear(0)
        self.widget = slicer.util.getModuleWidget("MedVLPTrain")
        self.widget.enter()

    def tearDown(self):
        """Leave nothing behind."""
        slicer.mrmlScene.Clear(0)

    def test_buttonsSayWhyTheyAreDisabled(self):
        """Without data nothing can be made, checked or started, and the tooltips say so."""
        ui = self.widget.ui
        for button in (ui.makeButton, ui.checkButton, ui.captionButton, ui.trialButton, ui.launchButton):
            assert not button.enabled
            assert button.toolTip != ""

    def test_parametersOfAnotherVersion(self):
        """A version that cannot be read takes its default; fields of other versions stay."""
        from MedVLPTrainLib.Parameters import VERSION, readParameters

        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        node.SetParameter("version", "0.9 beta")
        node.SetParameter("fieldOfTheFuture", "7")
        assert readParameters(node).version == VERSION
        assert node.GetParameter("fieldOfTheFuture") == "7"

"""The parameter node: saved with the scene, of other versions, and what cannot be segmented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import slicer
import vtk

Make = Callable[..., Any]


def test_a_saved_scene_brings_the_panel_back(host: Any, segmented: Any, tmp_path: Path) -> None:
    ui = segmented.ui
    ui.queryEdit.text = "mandible"
    ui.tileSpinBox.value = 64
    ui.surfacesCheckBox.checked = False
    ui.structureSearchEdit.text = "trachea"
    ui.noneButton.click()
    host.pending()
    assert host.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    host.scene.Clear(0)
    host.pending()
    assert (ui.queryEdit.text, ui.tileSpinBox.value, ui.surfacesCheckBox.checked) == ("", 0, True)
    assert segmented.panel.structures.allChosen()
    assert host.scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False, None)
    host.pending()
    assert (ui.queryEdit.text, ui.tileSpinBox.value, ui.surfacesCheckBox.checked) == ("mandible", 64, False)
    assert ui.inputSelector.currentNode().GetName() == "Head"
    assert segmented.panel.models.choice.name == "ct-tiny"
    assert "trachea" not in segmented.panel.structures.chosen()
    assert len(segmented.panel.structures.chosen()) == 6
    assert ui.resultTree.topLevelItemCount == 7


@pytest.mark.parametrize("version", ["0", "99", "0.9 beta", "", None])
def test_a_parameter_node_of_another_version_does_no_harm(host: Any, version: str | None) -> None:
    node = host.scene.AddNode(slicer.vtkMRMLScriptedModuleNode())
    node.SetSingletonTag("MedVLPSegment")
    node.SetAttribute("ModuleName", "MedVLPSegment")
    if version is not None:
        node.SetParameter("version", version)
    node.SetParameter("tile", "many")
    node.SetParameter("keepWarm", "perhaps")
    node.SetParameter("model", "a-model-that-is-gone")
    node.SetParameter("device", "tpu:7")
    node.SetParameter("structures", "trachea,organ_of_the_future")
    node.SetParameter("somethingNew", "kept")
    widget = host.open()
    host.pending()
    parameters = widget.panel.parameters
    assert (parameters.version, parameters.tile, parameters.keepWarm) == (1, 0, False)
    assert node.GetParameter("somethingNew") == "kept"
    assert widget.ui.modelComboBox.currentText == "Automatic"
    assert widget.ui.deviceComboBox.currentText == "tpu:7 (not seen on this computer)"


def test_the_first_volume_is_chosen(host: Any, add_head: Make) -> None:
    node = add_head(host)
    widget = host.open()
    assert widget.panel.parameters.inputVolume is node


def test_without_a_volume_the_tooltips_say_so(host: Any, widget: Any) -> None:
    for button in (widget.ui.segmentButton, widget.ui.findButton, widget.ui.likeButton):
        assert not button.enabled
        assert button.toolTip.startswith("Choose a volume first.")


def test_label_maps_and_colour_volumes_are_not_offered(host: Any, widget: Any) -> None:
    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"):
        host.scene.AddNewNodeByClass(kind)
    host.pending()
    assert widget.ui.inputSelector.nodeCount() == 0


def test_a_volume_without_voxels_is_refused_in_the_tooltip(host: Any, widget: Any) -> None:
    host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    host.pending()
    assert not widget.ui.segmentButton.enabled
    assert "'Empty' holds no voxels" in widget.ui.segmentButton.toolTip


def test_a_warped_volume_is_refused_as_soon_as_it_is_warped(host: Any, widget: Any, add_head: Make) -> None:
    node = add_head(host)
    assert widget.ui.segmentButton.enabled
    warp = host.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    spline = vtk.vtkThinPlateSplineTransform()
    warp.SetAndObserveTransformFromParent(spline)
    node.SetAndObserveTransformNodeID(warp.GetID())
    host.pending()
    assert not widget.ui.segmentButton.enabled
    assert "linear" in widget.ui.segmentButton.toolTip
    node.SetAndObserveTransformNodeID(None)
    host.pending()
    assert widget.ui.segmentButton.enabled


def test_a_pet_is_not_given_to_a_model_of_ct_mr_or_em(host: Any, widget: Any, add_head: Make) -> None:
    node = add_head(host)
    widget.panel.parameters.model = ""
    host.pending()
    assert widget.ui.segmentButton.enabled
    node.SetAttribute("DICOM.Modality", "PT")
    widget.panel.refresh()
    assert not widget.ui.segmentButton.enabled
    assert widget.ui.segmentButton.toolTip.startswith("No model fits this volume (PT, spacing 4 x 4 x 4 mm")
    assert widget.ui.modelReasonLabel.text == widget.ui.segmentButton.toolTip


def test_the_frame_of_a_sequence_is_used_and_said(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    volume = widget.panel.parameters.inputVolume
    sequence = host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Frames")
    browser = host.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    for value in ("0", "1"):
        sequence.SetDataNodeAtValue(volume, value)
    browser.AddSynchronizedSequenceNode(sequence)
    browser.AddProxyNode(volume, sequence, False)
    host.pending()
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    assert "its current frame" in widget.ui.messageLabel.text


def test_a_roi_without_size_is_refused_with_a_sentence(host: Any, widget: Any, add_head: Make) -> None:
    add_head(host)
    roi = host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    host.pending()
    widget.ui.roiSelector.setCurrentNode(roi)
    widget.ui.segmentButton.click()
    assert "'Box' has no size" in widget.ui.messageLabel.text
    assert host.messages == [("error", widget.ui.messageLabel.text)]
    assert not widget.panel.runBar.busy

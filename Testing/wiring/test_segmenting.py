"""From choosing a volume to segments in the scene, through the real logic and a real worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

Make = Callable[..., Any]


def _names(tree: Any, column: int = 1) -> list[str]:
    return [tree.topLevelItem(n).text(column) for n in range(tree.topLevelItemCount)]


def test_a_click_makes_segments_and_lists_them(host: Any, segmented: Any) -> None:
    node = segmented.panel.parameters.result
    assert node.GetSegmentation().GetNumberOfSegments() == 7
    assert _names(segmented.ui.resultTree)[:3] == ["Trachea", "Left parotid gland", "Right parotid gland"]
    first = segmented.ui.resultTree.topLevelItem(0)
    assert float(first.text(2)) > 0.9
    assert first.text(3) == "10.2 ml"
    assert segmented.ui.messageLabel.text == "7 of 7 structures found."
    assert segmented.ui.segmentButton.text == "Segment organs"
    assert not segmented.ui.progressBar.visible
    assert host.messages == []


def test_only_the_chosen_structures_are_segmented(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    widget.ui.noneButton.click()
    host.pending()
    assert not widget.ui.segmentButton.enabled
    assert widget.ui.segmentButton.toolTip == "Choose at least one structure."
    widget.ui.structureSearchEdit.text = "salivary left parotid"
    widget.ui.structureSearchEdit.text = "left parotid"
    widget.ui.allButton.click()
    host.pending()
    assert widget.panel.parameters.structures == "parotid_gland_left"
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    assert _names(widget.ui.resultTree) == ["Left parotid gland"]


def test_what_is_not_there_is_listed_as_nothing_found(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    node = add_head(host)
    array = slicer.util.arrayFromVolume(node)
    array[array > 500] = -60  # the skull's HU become fat
    slicer.util.arrayFromVolumeModified(node)
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.ui.notFoundLabel.text == "Nothing found: Skull."
    assert "Skull" not in _names(widget.ui.resultTree)


def test_the_eye_hides_a_segment_and_follows_what_is_hidden_elsewhere(host: Any, segmented: Any) -> None:
    import qt

    display = segmented.panel.parameters.result.GetDisplayNode()
    first = segmented.ui.resultTree.topLevelItem(0)
    first.setCheckState(0, qt.Qt.Unchecked)
    assert not display.GetSegmentVisibility("trachea")
    display.SetSegmentVisibility("trachea", True)
    segmented.panel.refresh()
    assert segmented.ui.resultTree.topLevelItem(0).checkState(0) == qt.Qt.Checked


def test_the_jump_centres_the_slice_views(host: Any, segmented: Any) -> None:
    view = host.scene.AddNewNodeByClass("vtkMRMLSliceNode")
    view.SetLayoutName("Red")
    tree = segmented.ui.resultTree
    for column, row in ((4, 0), (1, 1)):
        signal = tree.itemClicked if column == 4 else tree.itemActivated
        signal.emit(tree.topLevelItem(row), column)
        centre = [view.GetSliceToRAS().GetElement(r, 3) for r in range(3)]
        expected = segmented.panel.results.node.GetSegmentCenterRAS(["trachea", "parotid_gland_left"][row])
        assert max(abs(a - b) for a, b in zip(centre, expected, strict=True)) < 1e-3


def test_a_double_click_starts_one_run(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    widget.ui.segmentButton.click()
    widget.ui.segmentButton.click()
    assert [run.kind for run in widget.logic.runs].count("segment") == 1
    until(host, lambda: not widget.panel.runBar.busy)
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_cancel_leaves_nothing_and_the_next_run_works(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    button = widget.ui.segmentButton
    button.click()
    assert button.text == "Cancel"
    assert widget.ui.progressBar.isVisibleTo(widget.ui.progressBar.parentWidget())
    widget.panel.runBar._since -= 1  # later than a double click
    button.click()
    assert not button.enabled
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.ui.messageLabel.text == "Cancelled. Nothing was changed."
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert button.enabled
    button.click()
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.panel.parameters.result is not None


def test_another_volume_may_be_chosen_during_a_run(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    first = add_head(host, "First")
    second = add_head(host, "Second")
    widget.panel.parameters.inputVolume = first
    widget.ui.segmentButton.click()
    widget.ui.inputSelector.setCurrentNode(second)
    until(host, lambda: not widget.panel.runBar.busy)
    node = widget.panel.parameters.result
    assert node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole()) == first.GetID()
    assert widget.panel.parameters.inputVolume is second


def test_a_scene_closed_during_a_run_is_said(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    widget.ui.segmentButton.click()
    host.scene.Clear(0)
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.ui.messageLabel.text.startswith("The scene was closed.")
    assert widget.ui.resultTree.topLevelItemCount == 0
    assert not widget.ui.segmentButton.enabled
    assert widget.ui.segmentButton.toolTip.startswith("Choose a volume first.")


def test_a_volume_deleted_during_a_run_is_said(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    node = add_head(host)
    widget.ui.segmentButton.click()
    host.scene.RemoveNode(node)
    until(host, lambda: not widget.panel.runBar.busy)
    assert "'Head' was removed from the scene" in widget.ui.messageLabel.text


def test_a_volume_renamed_during_a_run_keeps_its_result(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    node = add_head(host)
    widget.ui.segmentButton.click()
    node.SetName("Renamed")
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.panel.parameters.result is not None


def test_deleting_the_result_empties_the_list(host: Any, segmented: Any) -> None:
    host.scene.RemoveNode(segmented.panel.parameters.result)
    host.pending()
    assert segmented.ui.resultTree.topLevelItemCount == 0
    assert not segmented.ui.exportButton.enabled


def test_a_chosen_segmentation_receives_the_result(host: Any, widget: Any, add_head: Make, until: Make) -> None:
    add_head(host)
    chosen = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    host.pending()
    widget.ui.segmentationSelector.setCurrentNode(chosen)
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    assert chosen.GetSegmentation().GetNumberOfSegments() == 7
    assert widget.panel.parameters.result is chosen


def test_the_estimate_follows_what_is_chosen(host: Any, segmented: Any, until: Make) -> None:
    label = segmented.ui.estimateLabel
    until(host, lambda: "memory" in label.text)
    segmented.ui.tileSpinBox.value = 16
    host.pending()
    assert label.text == ""
    until(host, lambda: "A tile of 16 voxels is too small" in label.text)
    assert "#d64541" in label.styleSheet
    segmented.ui.tileSpinBox.value = 64
    until(host, lambda: "memory" in label.text)


def test_what_does_not_fit_is_red_and_says_why(host: Any, widget: Any) -> None:
    bar = widget.panel.runBar
    bar.estimate({"memory_bytes": 9e9, "free_bytes": 3e9, "seconds": 5, "tile": [96, 96, 96], "reduced": False})
    assert widget.ui.estimateLabel.text.startswith("Needs 9.0 GB, but only 3.0 GB are free.")
    assert "#d64541" in widget.ui.estimateLabel.styleSheet
    bar.estimate(None, "The volume is too large. Choose a region.")
    assert widget.ui.estimateLabel.text == "The volume is too large. Choose a region."


def test_a_table_and_a_file_can_be_made(host: Any, segmented: Any, tmp_path: Any) -> None:
    segmented.ui.tableButton.click()
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1
    segmented.panel.saving.write(segmented.panel.parameters.result, tmp_path / "organs.seg.nrrd")
    segmented.panel.saving.write(segmented.panel.parameters.result, tmp_path / "organs.stl")
    assert (tmp_path / "organs.seg.nrrd").stat().st_size > 100
    assert len(list((tmp_path / "organs").glob("*.stl"))) == 7

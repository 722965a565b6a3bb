"""Volume nodes as the engine gets them: voxels, place, modality; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import checkVolumeNode, contentKey, volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Rois import boxFromRoi  # noqa: E402
from Testing.slicer.look import volume_voxels  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402

MakeVolume = Callable[..., Any]
TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 100], [0, 0, 0, 1]])
OBLIQUE = np.array([[0.8, -0.3, 0.2, 10], [0.3, 0.9, 0.1, -20], [-0.2, 0.0, -2.1, 30], [0, 0, 0, 1]])


def refused(node: Any) -> MedVLPError:
    with pytest.raises(MedVLPError) as error:
        checkVolumeNode(node)
    assert error.value.remedy
    with pytest.raises(MedVLPError):
        volumeFromNode(node)
    return error.value


def test_voxels_are_the_nodes_own_memory(make_volume: MakeVolume) -> None:
    array = np.random.default_rng(1).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
    node = make_volume(array)
    volume = volumeFromNode(node)
    assert volume.array.dtype == np.int16 and np.array_equal(volume.array, array)
    assert np.shares_memory(volume.array, slicer.util.arrayFromVolume(node))


def test_place_is_where_slicer_shows_it(make_volume: MakeVolume, put_under: Callable[..., Any]) -> None:
    node = make_volume(matrix=OBLIQUE)
    put_under(node, TURN, np.linalg.inv(OBLIQUE), TURN)
    affine = volumeFromNode(node).affine
    index = np.argwhere(np.ones((12, 10, 8), bool))
    ours = index @ affine[:3, :3].T + affine[:3, 3]
    theirs = volume_voxels(node, np.ones((12, 10, 8), bool))
    assert np.allclose(ours[np.lexsort(np.round(ours, 2).T)], theirs, atol=1e-6)


def test_an_image_that_starts_elsewhere(make_volume: MakeVolume) -> None:
    """Filters leave images whose extent does not start at 0; Slicer shows them at their index."""
    node = make_volume(matrix=OBLIQUE)
    node.GetImageData().SetExtent(3, 14, -2, 7, 1, 8)
    assert np.allclose(volumeFromNode(node).affine[:3, 3], (OBLIQUE @ [3, -2, 1, 1])[:3])


def test_nothing_chosen() -> None:
    assert "No volume" in refused(None).cause


@pytest.mark.parametrize(
    ("kind", "word"),
    [("vtkMRMLLabelMapVolumeNode", "label map"), ("vtkMRMLVectorVolumeNode", "several values")],
)
def test_other_kinds_of_volumes_are_refused(make_volume: MakeVolume, kind: str, word: str) -> None:
    error = refused(make_volume(name="Übel", kind=kind))
    assert word in error.cause and "Übel" in error.cause


def test_a_scalar_node_with_colour_voxels_is_refused(scene: Any) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Photo")
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(3, 3)
    node.SetAndObserveImageData(image)
    assert "Photo" in refused(node).cause


def test_something_else_than_a_volume(scene: Any) -> None:
    assert "not a volume" in refused(scene.AddNewNodeByClass("vtkMRMLModelNode", "Model")).cause


def test_no_voxels(scene: Any) -> None:
    assert "no voxels" in refused(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")).cause


def test_a_single_slice(make_volume: MakeVolume) -> None:
    assert "5 × 4 × 1" in refused(make_volume(np.arange(20, dtype=np.int16).reshape(5, 4, 1))).cause


def test_a_transform_that_is_not_linear(scene: Any, make_volume: MakeVolume) -> None:
    node = make_volume(name="Warped")
    warp = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Warp")
    node.SetAndObserveTransformNodeID(warp.GetID())
    error = refused(node)
    assert "Warped" in error.cause and "Warp'" in error.cause and "Harden" in error.remedy


def test_linear_above_a_warp_is_refused_too(scene: Any, make_volume: MakeVolume, put_under: Callable[..., Any]) -> None:
    node = make_volume()
    (above,) = put_under(node, TURN)
    above.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Warp").GetID())
    assert "not linear" in refused(node).cause


def test_shear(make_volume: MakeVolume, put_under: Callable[..., Any]) -> None:
    mild, strong = np.eye(4), np.eye(4)
    mild[0, 1], strong[0, 1] = 0.2, 1.5
    node = make_volume()
    put_under(node, mild)
    assert "11.3 degrees" in " ".join(volumeFromNode(node).source.notes)
    put_under(node, strong)
    error = refused(node)
    assert "perpendicular" in error.cause and "transform" in error.remedy


def test_a_transform_that_flattens(make_volume: MakeVolume, put_under: Callable[..., Any]) -> None:
    node = make_volume()
    put_under(node, np.diag([1.0, 1, 0, 1]))
    assert "geometry" in refused(node).cause


def test_nan_voxels_are_mended_in_a_copy(make_volume: MakeVolume) -> None:
    array = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    array[1, 2, 3], array[0, 0, 0] = np.nan, np.inf
    node = make_volume(array)
    volume = volumeFromNode(node)
    good = np.isfinite(array)
    assert np.array_equal(volume.array[good], array[good]) and (volume.array[~good] == array[good].min()).all()
    assert "2 voxels" in " ".join(volume.source.notes)
    assert np.isnan(slicer.util.arrayFromVolume(node)[3, 2, 1])


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_volume_that_shows_nothing(make_volume: MakeVolume, value: float) -> None:
    node = make_volume(np.full((5, 5, 5), value, np.float32), name="Blank")
    with pytest.raises(MedVLPError, match="Blank"):
        volumeFromNode(node)


def test_labels_in_a_scalar_volume(make_volume: MakeVolume) -> None:
    labels = np.zeros((10, 10, 10), np.int16)
    labels[2:5, 2:5], labels[6:9, 6:9] = 1, 2
    with pytest.raises(MedVLPError, match="Labels is a label map"):
        volumeFromNode(make_volume(labels, name="Labels"))


def test_modality(scene: Any, make_volume: MakeVolume, in_subject: Callable[[Any], int]) -> None:
    node = make_volume(np.random.default_rng(0).integers(0, 900, (9, 9, 9)).astype(np.int16))
    assert volumeFromNode(node).modality == ""
    in_subject(node)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = contentKey(node)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.Modality", "MR")
    assert volumeFromNode(node).modality == "MR"
    assert contentKey(node) != before


def test_modality_by_unit(make_volume: MakeVolume) -> None:
    node = make_volume(np.random.default_rng(0).integers(0, 900, (9, 9, 9)).astype(np.int16))
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    node.SetVoxelValueUnits(unit)
    assert volumeFromNode(node).modality == "CT"


def test_a_sequence_shows_its_current_frame(scene: Any, make_volume: MakeVolume) -> None:
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Beats")
    for n in range(3):
        frame = make_volume(np.random.default_rng(n).integers(-900, 900, (6, 5, 4)).astype(np.int16))
        sequence.SetDataNodeAtValue(frame, str(n))
        scene.RemoveNode(frame)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetSelectedItemNumber(1)
    slicer.modules.sequences.logic().UpdateAllProxyNodes()
    proxy = browser.GetProxyNode(sequence)
    volume = volumeFromNode(proxy)
    assert np.array_equal(volume.array, np.random.default_rng(1).integers(-900, 900, (6, 5, 4)))
    assert "current frame (2 of 3)" in " ".join(volume.source.notes)


def test_the_key_follows_voxels_and_place_but_not_the_name(
    make_volume: MakeVolume, put_under: Callable[..., Any]
) -> None:
    node, other = make_volume(), make_volume()
    keys = [contentKey(node)]
    node.SetName("Other name")
    assert contentKey(node) == keys[0] and contentKey(other) != keys[0]
    slicer.util.arrayFromVolume(node)[0] = 5
    slicer.util.arrayFromVolumeModified(node)
    keys.append(contentKey(node))
    put_under(node, TURN)
    keys.append(contentKey(node))
    node.SetSpacing(2, 2, 2)
    keys.append(contentKey(node))
    assert len(set(keys)) == 4


def roi(scene: Any, centre: tuple[float, ...] = (1, 2, 3), size: tuple[float, ...] = (10, 20, 30)) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    node.SetCenter(centre)
    node.SetSize(*size)
    return node


def test_a_roi_is_a_box_in_the_world(scene: Any, put_under: Callable[..., Any]) -> None:
    node = roi(scene)
    assert np.allclose(boxFromRoi(node), (-4, 6, -8, 12, -12, 18))
    put_under(node, TURN)
    assert np.allclose(boxFromRoi(node), (-7, 13, -11, -1, 88, 118))


def test_a_rotated_roi_is_taken_by_its_bounds(scene: Any, put_under: Callable[..., Any]) -> None:
    from MedVLPSegmentLib.Rois import roiNote

    node = roi(scene)
    assert roiNote(node) == ""
    angle = np.radians(30)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    put_under(node, turn)
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    assert np.allclose(boxFromRoi(node), bounds)
    assert "rotated" in roiNote(node)


def test_rois_that_are_none(scene: Any, make_volume: MakeVolume) -> None:
    with pytest.raises(MedVLPError, match="not a region"):
        boxFromRoi(make_volume())
    with pytest.raises(MedVLPError, match="no size"):
        boxFromRoi(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Unplaced"))
    warped = roi(scene)
    warped.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Warp").GetID())
    with pytest.raises(MedVLPError, match="not linear"):
        boxFromRoi(warped)

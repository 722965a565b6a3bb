"""Segmentation nodes as files: .seg.nrrd, NIfTI with its JSON, surfaces; and what a format cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import vtk
from vtk.util.numpy_support import vtk_to_numpy

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Flatten import flatten  # noqa: E402
from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Export import exportSegmentation, exportSurfaces  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from Testing.slicer.look import BINARY, in_order, moved, segment_ids, tag, volume_voxels, world_voxels  # noqa: E402
from Testing.slicer.results import NAMES, segmentation_of, two_boxes  # noqa: E402
from vlp3d_core.errors import MedVLPError, UsageError  # noqa: E402
from vlp3d_core.text.concepts import concepts  # noqa: E402

SHAPE = (12, 10, 8)
LEFT_HANDED = np.array([[0, -2.0, 0, 5], [-1, 0, 0, 6], [0, 0, -3, 7], [0, 0, 0, 1]])
LEFT_HANDED[:3, 0] *= -1
TURN = np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


@pytest.fixture(params=[False, True], ids=["plain", "transformed"])
def volume_node(request: Any, make_volume: Callable[..., Any], put_under: Callable[..., Any]) -> Any:
    node = make_volume(matrix=LEFT_HANDED)
    if request.param:
        put_under(node, TURN)
    return node


@pytest.fixture
def node(volume_node: Any) -> Any:
    result = segmentation_of(volumeFromNode(volume_node), two_boxes(SHAPE), NAMES)
    return addSegmentation(result, volume_node, surfaces=False).node


def add_box(node: Any, like: str, box: tuple[slice, slice, slice], name: str, labels: int = 1) -> str:
    """A user's segment of its own layer on the same grid; slices count from the corner of the layer that is there."""
    there = node.GetSegmentation().GetSegment(like).GetRepresentation(BINARY)
    image = slicer.vtkOrientedImageData()
    image.DeepCopy(there)
    array = vtk_to_numpy(image.GetPointData().GetScalars())
    array[:] = 0
    array.reshape(there.GetDimensions()[::-1]).transpose()[box] = labels
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetLabelValue(labels)
    segment.AddRepresentation(BINARY, image)
    node.GetSegmentation().AddSegment(segment, name)
    return name


def load(scene: Any, path: Path) -> Any:
    loaded = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Loaded")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(loaded) == 1
    return loaded


def test_seg_nrrd(scene: Any, volume_node: Any, node: Any, tmp_path: Path) -> None:
    path = tmp_path / "Ergebnis é.seg.nrrd"
    assert exportSegmentation(node, path) == ()
    loaded = load(scene, path)
    assert segment_ids(loaded) == segment_ids(node)
    for segment_id in segment_ids(node):
        ours, theirs = (n.GetSegmentation().GetSegment(segment_id) for n in (node, loaded))
        assert np.allclose(world_voxels(loaded, segment_id), world_voxels(node, segment_id), atol=1e-3)
        assert ours.GetName() == theirs.GetName() and np.allclose(ours.GetColor(), theirs.GetColor(), atol=1e-5)
        for name in (ours.GetTerminologyEntryTagName(), "MedVLP.Concept", "MedVLP.Score", "MedVLP.Model"):
            assert tag(theirs, name) == tag(ours, name) != ""
    assert file_size(path) == SHAPE


def file_size(path: Path) -> tuple[int, ...]:
    """The size of the file's spatial axes: all of the volume's grid."""
    import SimpleITK as sitk

    return tuple(sitk.ReadImage(str(path)).GetSize())


def test_exporting_does_not_change_the_scene(scene: Any, node: Any, tmp_path: Path) -> None:
    before = scene.GetNumberOfNodes(), node.GetTransformNodeID(), world_voxels(node, "liver").copy()
    exportSegmentation(node, tmp_path / "a.seg.nrrd")
    exportSegmentation(node, tmp_path / "a.nii.gz")
    exportSurfaces(node, tmp_path / "stl")
    assert (scene.GetNumberOfNodes(), node.GetTransformNodeID()) == before[:2]
    assert np.array_equal(world_voxels(node, "liver"), before[2])


def test_nifti_and_its_json(volume_node: Any, node: Any, tmp_path: Path) -> None:
    exportSegmentation(node, tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.shape == SHAPE and image.get_data_dtype() == np.uint8
    labels = np.asanyarray(image.dataobj)
    side = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [(r["concept"], r["found"]) for r in side["labels"]] == [
        ("liver", True), ("kidney_left", True), ("spleen", False),
    ]  # fmt: skip
    assert side["model"] == "test-model"
    for row, value in zip(side["labels"][:2], (1, 3), strict=True):
        found = in_order(moved(np.argwhere(labels == row["value"]), image.affine))
        assert np.allclose(found, volume_voxels(volume_node, two_boxes(SHAPE) == value), atol=1e-3)
        assert row["volume_ml"] == pytest.approx(np.count_nonzero(two_boxes(SHAPE) == value) * 6 / 1000)
        assert row["score"] == 0.9


def test_back_to_the_engine(volume_node: Any, node: Any) -> None:
    """Codes and colours come back as they went in."""
    for row in flatten(node).segments:
        known = concepts()[row.concept]
        assert (row.name, row.color, row.category, row.type, row.modifier) == (
            known.name, known.color, known.category, known.type, known.modifier,
        )  # fmt: skip


def test_overlap_is_said_and_kept_where_possible(scene: Any, node: Any, tmp_path: Path) -> None:
    add_box(node, "liver", (slice(0, 3), slice(0, 3), slice(0, 3)), "Lesion")
    with pytest.raises(MedVLPError, match=r"'Liver' and 'Lesion' overlap") as error:
        exportSegmentation(node, tmp_path / "a.nii.gz")
    assert ".seg.nrrd" in error.value.remedy and list(tmp_path.iterdir()) == []
    exportSegmentation(node, tmp_path / "a.seg.nrrd")
    loaded = load(scene, tmp_path / "a.seg.nrrd")
    for segment_id in ("liver", "Lesion"):
        assert np.allclose(world_voxels(loaded, segment_id), world_voxels(node, segment_id), atol=1e-3)


def test_a_users_segment_goes_into_nifti_too(volume_node: Any, node: Any, tmp_path: Path) -> None:
    add_box(node, "liver", (slice(7, 8), slice(0, 2), slice(4, 6)), "Mine", labels=7)
    (note,) = exportSegmentation(node, tmp_path / "a.nii.gz")
    assert note.endswith("score 0: Mine.")
    labels = np.asanyarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    assert sorted(np.unique(labels)) == [0, 1, 2, 3] and np.count_nonzero(labels == 3) == 4
    row = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["labels"][2]
    assert (row["name"], row["value"], row["score"]) == ("Mine", 3, 0)


def test_what_lies_outside_the_volume_is_said(volume_node: Any, node: Any, tmp_path: Path) -> None:
    """A user's segment on a finer grid that sticks out of the volume."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent(-8, 5, 4, 11, 2, 9)
    half = LEFT_HANDED @ np.diag([0.5, 0.5, 0.5, 1])
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(half))
    image.AllocateScalars(3, 1)
    image.GetPointData().GetScalars().Fill(1)
    segment = slicer.vtkSegment()
    segment.SetName("Out")
    segment.AddRepresentation(BINARY, image)
    node.GetSegmentation().RemoveAllSegments()
    node.GetSegmentation().AddSegment(segment, "out")
    assert "outside" in " ".join(exportSegmentation(node, tmp_path / "a.nii.gz"))
    labels = np.asanyarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    index = np.argwhere(labels)
    assert index.min(axis=0).tolist()[0] == 0 and index.shape[0] > 20


def test_surfaces_only(scene: Any, volume_node: Any, tmp_path: Path) -> None:
    """A segmentation that was imported as surfaces has no label map yet."""
    sphere = vtk.vtkSphereSource()
    corner = volume_voxels(volume_node, two_boxes(SHAPE) > 0).mean(axis=0)
    sphere.SetCenter(*corner)
    sphere.SetRadius(4)
    sphere.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segment = slicer.vtkSegment()
    segment.SetName("Ball")
    segment.AddRepresentation("Closed surface", sphere.GetOutput())
    node.GetSegmentation().AddSegment(segment, "ball")
    exportSegmentation(node, tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    found = moved(np.argwhere(np.asanyarray(image.dataobj)), image.affine)
    assert len(found) * 6 == pytest.approx(4 / 3 * np.pi * 64, rel=0.4)
    assert np.linalg.norm(found.mean(axis=0) - corner) < 1


@pytest.mark.parametrize(("kind", "count"), [("STL", 2), ("OBJ", 2)])
def test_surfaces(node: Any, tmp_path: Path, kind: str, count: int) -> None:
    files = exportSurfaces(node, tmp_path / "surfaces", kind)
    assert len(files) == count and all(file.stat().st_size for file in files)
    assert sorted((tmp_path / "surfaces").iterdir()) == sorted(files)
    if kind == "STL":
        (liver,) = (file for file in files if "Liver" in file.name)
        reader = vtk.vtkSTLReader()
        reader.SetFileName(str(liver))
        reader.Update()
        low, high = np.reshape(reader.GetOutput().GetBounds(), (3, 2)).T
        middle = world_voxels(node, "liver").mean(axis=0) * (-1, -1, 1)  # files are LPS
        assert np.allclose((low + high) / 2, middle, atol=1.5)


def test_segments_of_one_name_do_not_swallow_each_other(node: Any, tmp_path: Path) -> None:
    node.GetSegmentation().GetSegment("kidney_left").SetName("Liver")
    with pytest.raises(MedVLPError, match="1 of 2 surfaces"):
        exportSurfaces(node, tmp_path / "stl")
    assert list((tmp_path / "stl").iterdir()) == []


def test_what_cannot_be_exported(scene: Any, volume_node: Any, node: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ending"):
        exportSegmentation(node, tmp_path / "a.png")
    with pytest.raises(MedVLPError, match="Cannot write"):
        exportSegmentation(node, tmp_path / "missing" / "a.seg.nrrd")
    with pytest.raises(MedVLPError, match="not loaded from a DICOM"):
        exportSegmentation(node, tmp_path / "a.dcm")
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    for export in (exportSurfaces, lambda n, p: exportSegmentation(n, tmp_path / "a.nii.gz")):
        with pytest.raises(MedVLPError, match="'Empty' has no segments"):
            export(empty, tmp_path)
    scene.RemoveNode(volume_node)
    with pytest.raises(MedVLPError, match="not in the scene"):
        exportSegmentation(node, tmp_path / "a.nii.gz")
    exportSegmentation(node, tmp_path / "a.seg.nrrd")
    assert [p.name for p in tmp_path.iterdir()] == ["a.seg.nrrd"]

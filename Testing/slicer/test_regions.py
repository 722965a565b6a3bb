"""Found regions: the preview, the jump, and keeping one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Regions import clearPreview, jumpTo, keepRegion, showRegion  # noqa: E402
from MedVLPSegmentLib.Results import resultRows  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from Testing.slicer.look import segment_ids, tag, volume_voxels, world_voxels  # noqa: E402
from Testing.slicer.results import NAMES, segmentation_of, two_boxes  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402
from vlp3d_core.service.client import FoundRegion  # noqa: E402
from vlp3d_core.text.concepts import concepts  # noqa: E402

MakeVolume = Callable[..., Any]
SHAPE = (12, 10, 8)
MASK = np.zeros(SHAPE, bool)
MASK[3:7, 2:4, 4:8] = True
MASK[3, 2, 4] = False


@pytest.fixture
def volume_node(make_volume: MakeVolume, put_under: Callable[..., Any]) -> Any:
    node = make_volume(matrix=np.array([[0, -2.0, 0, 5], [-1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]]))
    put_under(node, np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]))
    return node


def region(volume_node: Any, name: str = "parotid_gland_left", mask: NDArray[np.bool_] = MASK) -> FoundRegion:
    """What the worker answers: the mask cropped to its box, and where the crop lies."""
    affine = volumeFromNode(volume_node).affine
    index = np.argwhere(mask)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    crop = affine.copy()
    crop[:3, 3] += affine[:3, :3] @ low
    r, a, s = (affine @ [*index.mean(axis=0), 1])[:3]
    concept = concepts()[name]
    box = mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]].astype(np.uint8)
    return FoundRegion(
        rank=1, concept=name, name=concept.name, color=concept.color, category=concept.category,
        type=concept.type, modifier=concept.modifier, score=0.8, centre=(float(r), float(a), float(s)),
        volume_ml=1.5, mask=box, affine=crop,
    )  # fmt: skip


def previews(scene: Any) -> list[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)
    return [node for node in nodes if node.GetHideFromEditors()]


def test_the_preview_shows_the_region_alone(scene: Any, volume_node: Any) -> None:
    showRegion(region(volume_node, "spleen"), volume_node)
    node = showRegion(region(volume_node), volume_node)
    assert previews(scene) == [node] and segment_ids(node) == ["parotid_gland_left"]
    assert np.allclose(world_voxels(node, "parotid_gland_left"), volume_voxels(volume_node, MASK))
    segment = node.GetSegmentation().GetSegment("parotid_gland_left")
    assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 8
    clearPreview(scene)
    assert previews(scene) == []
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode") == 0


def test_the_preview_is_never_saved(scene: Any, volume_node: Any, tmp_path: Path) -> None:
    showRegion(region(volume_node), volume_node)
    path = tmp_path / "scene.mrml"
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(tmp_path))
    assert scene.Commit(str(path))
    text = path.read_text(encoding="utf-8")
    assert "CT" in text and "preview" not in text and "Segmentation id" not in text


def test_a_kept_region_joins_the_results(scene: Any, volume_node: Any) -> None:
    results = addSegmentation(
        segmentation_of(volumeFromNode(volume_node), two_boxes(SHAPE), NAMES), volume_node, surfaces=False
    ).node
    found = region(volume_node)
    showRegion(found, volume_node)
    kept = keepRegion(found, volume_node, model="m", query="the gland | left")
    assert kept.node is results and kept.ids == {"parotid_gland_left": "parotid_gland_left"}
    assert previews(scene) == []
    segment = results.GetSegmentation().GetSegment("parotid_gland_left")
    assert segment.GetName() == "Left parotid gland"
    assert tag(segment, "MedVLP.Query") == "the gland left" and tag(segment, "MedVLP.Score") == "0.8000"
    assert "SCT^" in tag(segment, segment.GetTerminologyEntryTagName())
    assert np.allclose(world_voxels(results, "parotid_gland_left"), volume_voxels(volume_node, MASK))
    assert [r.name for r in resultRows(results) if r.found] == ["Liver", "Left kidney", "Left parotid gland"]


def test_a_kept_region_replaces_nothing_and_is_not_replaced(volume_node: Any) -> None:
    first = keepRegion(region(volume_node, "liver"), volume_node)
    second = keepRegion(region(volume_node, "liver"), volume_node)
    assert second.node is first.node
    assert (first.ids["liver"], second.ids["liver"]) == ("liver", "liver_1")
    labels = two_boxes(SHAPE)
    added = addSegmentation(
        segmentation_of(volumeFromNode(volume_node), labels, NAMES), volume_node, first.node, surfaces=False
    )
    names = [r.name for r in resultRows(first.node) if r.found]
    assert names == ["Liver", "Liver 2", "Liver 3", "Left kidney"]
    assert np.allclose(world_voxels(first.node, "liver"), volume_voxels(volume_node, MASK))
    assert np.allclose(world_voxels(first.node, added.ids["liver"]), volume_voxels(volume_node, labels == 1))


def test_a_volume_that_moved_since(volume_node: Any) -> None:
    """A region belongs to voxels, not to a place in the room."""
    found, grid = region(volume_node), volumeFromNode(volume_node).affine
    volume_node.GetParentTransformNode().SetMatrixTransformToParent(
        slicer.util.vtkMatrixFromArray(np.diag([-1.0, 1, 1, 1]))
    )
    node = showRegion(found, volume_node, grid)
    assert np.allclose(world_voxels(node, "parotid_gland_left"), volume_voxels(volume_node, MASK))
    with pytest.raises(MedVLPError, match="changed since"):
        showRegion(found, volume_node)


def test_another_image_in_the_volume_since(volume_node: Any) -> None:
    found = region(volume_node)
    slicer.util.updateVolumeFromArray(volume_node, np.random.default_rng(0).integers(0, 9, (5, 5, 5)).astype(np.int16))
    with pytest.raises(MedVLPError, match="changed since"):
        keepRegion(found, volume_node)


def test_the_jump_centres_all_slice_views(scene: Any) -> None:
    views = []
    for name in ("Red", "Yellow", "Green"):
        view = scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        view.SetLayoutName(name)
        view.SetOrientation({"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}[name])
        views.append(view)
    jumpTo((11, -22, 33), scene)
    for view in views:
        matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
        assert np.allclose(matrix[:3, 3], (11, -22, 33))

"""What looks like a segment: shown in one volume, found in another, shown and kept as what a text has found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Flatten import segmentMask  # noqa: E402
from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from Testing.core.tiny import toy_grid, toy_head, toy_labels  # noqa: E402
from Testing.core.tiny_em import brick_volume, write_tiny_em  # noqa: E402
from Testing.slicer.look import tag, world_voxels  # noqa: E402
from Testing.slicer.results import segmentation_of  # noqa: E402
from Testing.slicer.toy import NAMES, TIMEOUT, TURN, expected  # noqa: E402
from vlp3d_core.errors import Cancelled, MedVLPError  # noqa: E402

MakeVolume = Callable[..., Any]


@pytest.fixture
def drawn(head: Any) -> Any:
    """All structures of the toy head as segments; of the last one nothing is drawn."""
    labels = toy_labels(toy_grid()).astype(np.uint8)
    made = segmentation_of(volumeFromNode(head), labels, NAMES)
    node = addSegmentation(made, head, surfaces=False).node
    node.GetSegmentation().AddEmptySegment("empty", "Nothing yet")
    return node


@pytest.fixture
def other(make_volume: MakeVolume) -> Any:
    """The toy head, mirrored, with its own grid."""
    volume = toy_head()
    mirrored = volume.affine.copy()
    mirrored[0] *= -1
    return make_volume(volume.array.astype(np.int16), mirrored, "Other")


def test_find_in_another_volume_show_jump_keep(logic: SegmentLogic, drawn: Any, other: Any) -> None:
    fractions: list[float] = []
    run = logic.findAlike(
        other, drawn, "mandible", model="ct-tiny", onProgress=lambda run: fractions.append(run.fraction)
    )
    with pytest.raises(MedVLPError, match="'Other' already"):
        logic.findAlike(other, drawn, "mandible", model="ct-tiny")
    found = logic.wait(run, TIMEOUT)
    assert found.text == "like Mandible" and fractions == sorted(fractions) and max(fractions) > 0.5
    region = found.regions[0]
    place = expected("mandible") * (-1, 1, 1)
    place = place[np.lexsort(np.round(place, 2).T)]
    assert np.allclose(world_voxels(logic.showRegion(run, region), "custom_alike"), place, atol=1e-3)
    logic.jumpToRegion(run, region)
    kept = logic.keepRegion(run, region)
    segment = kept.node.GetSegmentation().GetSegment(kept.ids["custom_alike"])
    assert segment.GetName() == "Like Mandible" and tag(segment, "MedVLP.Query") == "like Mandible"
    assert np.allclose(world_voxels(kept.node, "custom_alike"), place, atol=1e-3)


def test_in_its_own_volume_which_was_moved(logic: SegmentLogic, drawn: Any, head: Any, put_under: MakeVolume) -> None:
    put_under(head, TURN)
    drawn.SetAndObserveTransformNodeID(head.GetTransformNodeID())
    run = logic.findAlike(head, drawn, "skull", model="ct-tiny")
    region = logic.wait(run, TIMEOUT).regions[0]
    turned = expected("skull") @ TURN[:3, :3].T + TURN[:3, 3]
    assert np.allclose(region.centre, turned.mean(axis=0), atol=1e-3)


def test_the_mask_is_of_one_segment_on_the_grid(drawn: Any, head: Any) -> None:
    for number, name in enumerate(NAMES, 1):
        assert np.array_equal(segmentMask(drawn, name, head), toy_labels(toy_grid()) == number)


def test_cancel_in_either_pass(logic: SegmentLogic, drawn: Any, other: Any) -> None:
    for at in (0.0, 0.5):
        run = logic.findAlike(other, drawn, "brainstem", model="ct-tiny")
        run.onProgress = lambda run, at=at: run.cancel() if run.fraction >= at else None
        with pytest.raises(Cancelled):
            logic.wait(run, TIMEOUT)
        assert logic.runs == ()


def test_what_cannot_be_an_example(
    logic: SegmentLogic, drawn: Any, other: Any, make_volume: MakeVolume, scene: Any, tmp_path: Path
) -> None:
    block = brick_volume()
    em = make_volume(block.array.astype(np.uint8), block.affine, "Block")
    em.SetAttribute("DICOM.Modality", "EM")
    bricks = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bricks")
    bricks.SetReferenceImageGeometryParameterFromVolumeNode(em)
    labels = (np.arange(block.array.size).reshape(block.array.shape) % 2).astype(np.uint8)
    addSegmentation(segmentation_of(volumeFromNode(em), labels, ["liver"]), em, bricks, surfaces=False)
    instances = str(write_tiny_em(tmp_path / "em-tiny").folder)
    with pytest.raises(MedVLPError, match="makes instances and cannot look for what is alike"):
        logic.wait(logic.findAlike(em, bricks, "liver", model=instances), TIMEOUT)
    for node, segment, said in (
        (None, "", "No segment is chosen as the example"),
        (drawn, "gone", "No segment is chosen as the example"),
        (drawn, "empty", "'Nothing yet' holds no voxel of 'Head'"),
    ):
        with pytest.raises(MedVLPError, match=said):
            logic.findAlike(other, node, segment, model="ct-tiny")
    scene.RemoveNode(slicer.util.getNode("Head"))
    with pytest.raises(MedVLPError, match="made on is not in the scene") as caught:
        logic.findAlike(other, drawn, "skull", model="ct-tiny")
    assert "export" not in caught.value.remedy
    assert logic.runs == ()

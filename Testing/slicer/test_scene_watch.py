"""What happens to a run when the scene changes before its result is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from Testing.core.tiny import toy_head  # noqa: E402
from Testing.slicer.look import world_voxels  # noqa: E402
from Testing.slicer.toy import TIMEOUT, TURN, expected  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402


def test_the_scene_is_closed_meanwhile(
    logic: SegmentLogic, head: Any, scene: Any, make_volume: Callable[..., Any]
) -> None:
    """Also when the next scene has a volume with the same id."""
    run, search = logic.segment(head, model="ct-tiny"), logic.find(head, "skull", model="ct-tiny")
    node_id = head.GetID()
    scene.Clear(0)
    volume = toy_head()
    new = make_volume(volume.array.astype(np.int16), volume.affine, "New")
    assert new.GetID() == node_id
    for ended in (run, search):
        with pytest.raises(MedVLPError, match="scene was closed"):
            logic.wait(ended, TIMEOUT)
        assert ended.state == "cancelled"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_volume_is_removed_meanwhile(logic: SegmentLogic, head: Any, scene: Any) -> None:
    run = logic.segment(head, model="ct-tiny")
    scene.RemoveNode(head)
    with pytest.raises(MedVLPError, match="'Head' was removed"):
        logic.wait(run, TIMEOUT)
    assert run.state == "cancelled" and scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_volume_is_renamed_meanwhile(logic: SegmentLogic, head: Any) -> None:
    run = logic.segment(head, ["skull"], model="ct-tiny", surfaces=False)
    head.SetName("Kopf")
    assert logic.wait(run, TIMEOUT).node.GetName() == "Kopf segmentation"


def test_the_volume_is_moved_meanwhile(logic: SegmentLogic, head: Any, put_under: Callable[..., Any]) -> None:
    """Labels belong to voxels: they go where the voxels went."""
    run = logic.segment(head, ["skull"], model="ct-tiny", surfaces=False)
    put_under(head, TURN)
    place = world_voxels(logic.wait(run, TIMEOUT).node, "skull")
    turned = expected("skull") @ TURN[:3, :3].T + TURN[:3, 3]
    assert np.allclose(place, turned[np.lexsort(np.round(turned, 2).T)], atol=1e-3)


def test_the_voxels_are_replaced_meanwhile(logic: SegmentLogic, head: Any) -> None:
    run = logic.segment(head, ["skull"], model="ct-tiny", surfaces=False)
    slicer.util.updateVolumeFromArray(head, np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16))
    with pytest.raises(MedVLPError, match="'Head' were replaced"):
        logic.wait(run, TIMEOUT)
    assert run.state == "failed"


def test_the_chosen_segmentation_is_removed_meanwhile(logic: SegmentLogic, head: Any, scene: Any) -> None:
    chosen = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Chosen")
    run = logic.segment(head, ["skull"], model="ct-tiny", segmentationNode=chosen, surfaces=False)
    scene.RemoveNode(chosen)
    added = logic.wait(run, TIMEOUT)
    assert added.node.GetScene() is scene and "removed meanwhile" in " ".join(added.notes)

"""From volume nodes to segments and answers, with the real worker and a tiny real model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from MedVLPSegmentLib.Run import Run  # noqa: E402
from Testing.core.tiny import PLACES  # noqa: E402
from Testing.slicer.look import segment_ids, world_voxels  # noqa: E402
from Testing.slicer.toy import NAMES, TIMEOUT, TURN, expected  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402


def test_segment(logic: SegmentLogic, head: Any) -> None:
    seen: list[tuple[str, float]] = []
    ended: list[Run] = []
    run = logic.segment(
        head, model="ct-tiny", onProgress=lambda run: seen.append((run.stage, run.fraction)), onEnd=ended.append
    )
    assert run.state == "waiting" and logic.runs == (run,)
    added = logic.wait(run, TIMEOUT)
    assert ended == [run] and run.state == "done" and run.fraction == 1 and logic.runs == ()
    assert sorted(added.ids) == sorted(NAMES) and added.notFound == ()
    for concept in NAMES:
        assert np.allclose(world_voxels(added.node, concept), expected(concept), atol=1e-3)
    assert len({stage for stage, _ in seen}) > 1
    assert [f for _, f in seen] == sorted(f for _, f in seen)
    assert added.report["device"]


def test_segment_some_in_a_roi_into_a_chosen_node(logic: SegmentLogic, head: Any, scene: Any) -> None:
    chosen = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Chosen")
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    centre, half = PLACES["brainstem"]
    roi.SetCenter(centre)
    roi.SetSize(*(2.0 * h for h in half))
    run = logic.segment(
        head, ["brainstem", "left parotid"], model="ct-tiny", roiNode=roi, segmentationNode=chosen, surfaces=False
    )
    added = logic.wait(run, TIMEOUT)
    assert added.node is chosen and segment_ids(chosen) == ["brainstem"]
    assert [s.concept for s in added.notFound] == ["parotid_gland_left"]
    assert np.allclose(world_voxels(chosen, "brainstem"), expected("brainstem"), atol=1e-3)


def test_left_and_right_follow_the_transform(logic: SegmentLogic, head: Any, put_under: Callable[..., Any]) -> None:
    """The worker gets the world's geometry, and the result lies there."""
    put_under(head, TURN)
    added = logic.wait(logic.segment(head, ["brainstem"], model="ct-tiny", surfaces=False), TIMEOUT)
    place = world_voxels(added.node, "brainstem")
    turned = expected("brainstem") @ TURN[:3, :3].T + TURN[:3, 3]
    assert np.allclose(place, turned[np.lexsort(np.round(turned, 2).T)], atol=1e-3)


def test_hello_models_estimate_encode(logic: SegmentLogic, head: Any) -> None:
    assert logic.wait(logic.hello(), TIMEOUT)["devices"]
    assert "ct-tiny" in [m["name"] for m in logic.wait(logic.models(), TIMEOUT)]
    assert logic.wait(logic.estimate(head, model="ct-tiny"), TIMEOUT)["memory_bytes"] > 0
    assert logic.wait(logic.encode(head, model="ct-tiny"), TIMEOUT) is not None


def test_what_the_worker_refuses(logic: SegmentLogic, head: Any) -> None:
    run = logic.segment(head, ["flux capacitor"], model="ct-tiny")
    with pytest.raises(MedVLPError) as error:
        logic.wait(run, TIMEOUT)
    assert run.state == "failed" and error.value.remedy and logic.runs == ()


def test_what_is_refused_at_once(logic: SegmentLogic, make_volume: Callable[..., Any]) -> None:
    labels = make_volume(kind="vtkMRMLLabelMapVolumeNode", name="Labels")
    for begin in (logic.segment, logic.encode, logic.estimate, lambda node: logic.find(node, "liver")):
        for node, word in ((None, "No volume"), (labels, "label map")):
            with pytest.raises(MedVLPError, match=word):
                begin(node)
    assert logic.runs == ()

"""Several runs: one after the other, refused twice, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from Testing.core.tiny import toy_head  # noqa: E402
from Testing.slicer.look import segment_ids, world_voxels  # noqa: E402
from Testing.slicer.toy import TIMEOUT  # noqa: E402
from vlp3d_core.errors import Cancelled, MedVLPError  # noqa: E402


def test_the_second_click_is_refused(logic: SegmentLogic, head: Any) -> None:
    run = logic.segment(head, ["skull"], model="ct-tiny")
    with pytest.raises(MedVLPError, match="'Head' already"):
        logic.segment(head, ["skull"], model="ct-tiny")
    other = logic.segment(head, ["mandible"], model="ct-tiny", surfaces=False)
    assert logic.runs == (run, other)
    logic.cancel(run)
    again = logic.segment(head, ["skull"], model="ct-tiny", surfaces=False)
    assert segment_ids(logic.wait(other, TIMEOUT).node) == ["mandible"]
    assert segment_ids(logic.wait(again, TIMEOUT).node) == ["skull"]
    assert run.state == "cancelled" and isinstance(run.error, Cancelled)


def test_a_second_volume_waits_its_turn(logic: SegmentLogic, head: Any, make_volume: Callable[..., Any]) -> None:
    volume = toy_head()
    mirrored = volume.affine.copy()
    mirrored[0] *= -1
    other = make_volume(volume.array.astype(np.int16), mirrored, "Mirrored")
    order: list[str] = []
    first, second = (
        logic.segment(
            node, ["mandible"], model="ct-tiny", surfaces=False, onEnd=lambda run: order.append(run.volumeName)
        )
        for node in (head, other)
    )
    place = [world_voxels(logic.wait(run, TIMEOUT).node, "mandible") for run in (first, second)]
    assert order == ["Head", "Mirrored"]
    assert np.allclose(place[0].mean(axis=0) * (-1, 1, 1), place[1].mean(axis=0), atol=1e-3)


def test_cancel(logic: SegmentLogic, head: Any, scene: Any) -> None:
    before = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    ended: list[str] = []
    run = logic.segment(head, model="ct-tiny", onEnd=lambda run: ended.append(run.state))
    run.cancel()
    run.cancel()
    with pytest.raises(Cancelled):
        logic.wait(run, TIMEOUT)
    run.cancel()
    assert ended == ["cancelled"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == before
    assert logic.wait(logic.find(head, "skull", model="ct-tiny"), TIMEOUT).regions

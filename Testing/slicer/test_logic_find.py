"""Regions that a text asks for: found, shown, jumped to and kept through the real worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from Testing.slicer.look import world_voxels  # noqa: E402
from Testing.slicer.toy import TIMEOUT, TURN, expected  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402


def test_find_show_jump_keep(logic: SegmentLogic, head: Any, scene: Any) -> None:
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    view.SetLayoutName("Red")
    run = logic.find(head, "left parotid gland", model="ct-tiny")
    found = logic.wait(run, TIMEOUT)
    (region, *others) = found.regions
    assert region.concept == "parotid_gland_left" and others == []
    preview = logic.showRegion(run, region)
    assert np.allclose(world_voxels(preview, "parotid_gland_left"), expected("parotid_gland_left"), atol=1e-3)
    logic.jumpToRegion(run, region)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, 3], region.centre)
    kept = logic.keepRegion(run, region)
    assert preview.GetScene() is None
    place = world_voxels(kept.node, kept.ids["parotid_gland_left"])
    assert np.allclose(place, expected("parotid_gland_left"), atol=1e-3)


def test_regions_of_a_volume_that_moved(logic: SegmentLogic, head: Any, put_under: Callable[..., Any]) -> None:
    run = logic.find(head, "brainstem", model="ct-tiny")
    (region,) = logic.wait(run, TIMEOUT).regions
    put_under(head, TURN)
    turned = expected("brainstem") @ TURN[:3, :3].T + TURN[:3, 3]
    place = world_voxels(logic.showRegion(run, region), "brainstem")
    assert np.allclose(place, turned[np.lexsort(np.round(turned, 2).T)], atol=1e-3)


def test_nothing_found_and_unknown_words(logic: SegmentLogic, head: Any) -> None:
    found = logic.wait(logic.find(head, "liver", model="ct-tiny"), TIMEOUT)
    assert found.regions == () and "liver" in " ".join(found.notes)
    assert logic.wait(logic.find(head, "xyzzy", model="ct-tiny"), TIMEOUT).unknown == ("xyzzy",)


def test_typing_does_not_read_the_volume_again(logic: SegmentLogic, head: Any) -> None:
    logic.wait(logic.encode(head, model="ct-tiny"), TIMEOUT)
    _, first = logic._volume or ("", None)
    run = logic.find(head, "mandible", model="ct-tiny")
    assert logic._volume is not None and logic._volume[1] is first
    stages: list[str] = []
    run.onProgress = lambda run: stages.append(run.stage)
    assert logic.wait(run, TIMEOUT).regions
    assert "encoding" not in stages


def test_regions_of_a_scene_that_was_closed(logic: SegmentLogic, head: Any, scene: Any) -> None:
    run = logic.find(head, "skull", model="ct-tiny")
    (region,) = logic.wait(run, TIMEOUT).regions
    scene.Clear(0)
    for act in (logic.showRegion, logic.keepRegion, logic.jumpToRegion):
        with pytest.raises(MedVLPError, match="'Head' was removed"):
            act(run, region)

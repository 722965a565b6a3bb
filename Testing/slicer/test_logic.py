"""The logic with the real worker and a tiny real model: from a click to segments, and whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from MedVLPSegmentLib.Run import Run  # noqa: E402
from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_head, toy_labels  # noqa: E402
from Testing.slicer.look import segment_ids, world_voxels  # noqa: E402
from vlp3d_core.errors import Cancelled, MedVLPError  # noqa: E402
from vlp3d_core.service.client import Worker  # noqa: E402

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
NAMES = list(BANDS)
TURN = np.array([[0.0, -1, 0, 30], [1, 0, 0, -20], [0, 0, 1, 10], [0, 0, 0, 1]])


@pytest.fixture
def logic(scene: Any, worker: Any) -> Iterator[SegmentLogic]:
    made = SegmentLogic(worker, scene)
    yield made
    made.cancelAll()
    for run in made.runs:
        with pytest.raises(MedVLPError):
            made.wait(run, TIMEOUT)
    made._watch.end()  # the worker goes on: others use it


@pytest.fixture
def head(make_volume: Callable[..., Any]) -> Any:
    """The toy head as a volume node."""
    volume = toy_head()
    return make_volume(volume.array.astype(np.int16), volume.affine, "Head")


def expected(concept: str) -> np.ndarray:
    """World positions of the structure's voxels in the toy head, sorted."""
    grid = toy_grid()
    index = np.argwhere(toy_labels(grid) == NAMES.index(concept) + 1)
    place = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return place[np.lexsort(np.round(place, 2).T)]


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


def test_hello_models_estimate_encode(logic: SegmentLogic, head: Any) -> None:
    assert logic.wait(logic.hello(), TIMEOUT)["devices"]
    assert "ct-tiny" in [m["name"] for m in logic.wait(logic.models(), TIMEOUT)]
    assert logic.wait(logic.estimate(head, model="ct-tiny"), TIMEOUT)["memory_bytes"] > 0
    assert logic.wait(logic.encode(head, model="ct-tiny"), TIMEOUT) is not None


def test_typing_does_not_read_the_volume_again(logic: SegmentLogic, head: Any) -> None:
    logic.wait(logic.encode(head, model="ct-tiny"), TIMEOUT)
    _, first = logic._volume or ("", None)
    run = logic.find(head, "mandible", model="ct-tiny")
    assert logic._volume is not None and logic._volume[1] is first
    stages: list[str] = []
    run.onProgress = lambda run: stages.append(run.stage)
    assert logic.wait(run, TIMEOUT).regions
    assert "encoding" not in stages


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


def test_regions_of_a_scene_that_was_closed(logic: SegmentLogic, head: Any, scene: Any) -> None:
    run = logic.find(head, "skull", model="ct-tiny")
    (region,) = logic.wait(run, TIMEOUT).regions
    scene.Clear(0)
    for act in (logic.showRegion, logic.keepRegion, logic.jumpToRegion):
        with pytest.raises(MedVLPError, match="'Head' was removed"):
            act(run, region)


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


def test_a_dead_worker_is_one_sentence_and_comes_back(scene: Any, head: Any, tiny_models: Path) -> None:
    import psutil

    worker = Worker(environment={**os.environ, "MEDVLP_MODELS": str(tiny_models)})
    logic = SegmentLogic(worker, scene)
    before = {child.pid for child in psutil.Process().children()}
    logic.wait(logic.models(), TIMEOUT)  # starts the process, without torch
    (process,) = [child for child in psutil.Process().children() if child.pid not in before]
    run = logic.segment(head, model="ct-tiny")
    process.kill()
    with pytest.raises(MedVLPError) as error:
        logic.wait(run, TIMEOUT)
    assert run.state == "failed" and error.value.remedy and logic.runs == ()
    assert logic.wait(logic.models(), TIMEOUT)
    logic.close()


def test_close_ends_everything(scene: Any, head: Any) -> None:
    logic = SegmentLogic(Worker(), scene)
    ended: list[str] = []
    logic.segment(head, model="ct-tiny", onEnd=lambda run: ended.append(run.state))
    worker = logic.worker
    logic.close()
    logic.close()
    assert ended == ["cancelled"] and not worker.running and logic.runs == ()
    scene.Clear(0)


def test_slicers_process_stays_light() -> None:
    """Neither importing the logic nor using volumes and segments loads torch or another of the engine's libraries."""
    code = (
        "import sys, pathlib, tempfile, numpy as np, slicer\n"
        "from Testing.slicer.host import make_scene\n"
        "scene = make_scene(pathlib.Path(tempfile.mkdtemp()))\n"
        "from MedVLPSegmentLib import Export, Logic, Regions, Results, Segments, Table, Volumes\n"
        "node = scene.AddNewNodeByClass('vtkMRMLScalarVolumeNode', 'CT')\n"
        "slicer.util.updateVolumeFromArray(node, np.random.default_rng(0).integers(-900, 900, (9, 8, 7)).astype('h'))\n"
        "Volumes.volumeFromNode(node)\n"
        "heavy = {'torch', 'monai', 'transformers', 'scipy', 'SimpleITK', 'nibabel', 'pydicom', 'psutil', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "MedVLPSegment")])},
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout

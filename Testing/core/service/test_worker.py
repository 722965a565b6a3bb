"""Requests to a real worker that has the tiny model: every one of them, and what it keeps between them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlp3d_core
from Testing.core.service.conftest import PATIENCE, files_of
from Testing.core.tiny import BANDS
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.predict import LoadedModel
from vlp3d_core.service.client import Found, Job, Worker
from vlp3d_core.volume import Segmentation, Source, Volume
from vlp3d_core.volume.volume import Volume as PlainVolume

TINY: dict[str, Any] = {"model": "ct-tiny", "device": "cpu"}


def done(worker: Worker, job: Job) -> Any:
    return worker.wait(job, PATIENCE)


def test_hello(warm: Worker) -> None:
    told = done(warm, warm.hello())
    assert told["version"] == vlp3d_core.__version__
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["torch"]
    for device in told["devices"]:
        assert device["name"] in ("cpu", "cuda", "mps") and device["title"]
        assert 0 < device["free_bytes"] <= device["total_bytes"]
    assert 0 < told["memory"]["free_bytes"] <= told["memory"]["total_bytes"]
    assert warm.running and warm.ready


def test_models(warm: Worker) -> None:
    rows = {row["name"]: row for row in done(warm, warm.models())}
    tiny, real = rows["ct-tiny"], rows["ct-head-neck"]
    assert tiny["concepts"] == list(BANDS) and tiny["spacing"] == [4, 4, 4] and tiny["problem"] == ""
    assert real["default"] and not tiny["default"]
    assert real["modality"] == "CT" and real["licence"] and real["data"] and real["limits"]
    assert set(real["scores"]) == set(real["concepts"])
    assert 0 < real["scores"]["mandible"]["dice"] < 1 and real["scores"]["mandible"]["n"] > 1
    assert real["card"].startswith("# CT head and neck")


def test_a_broken_bundle_is_listed_with_its_problem(warm: Worker, tiny_bundle: Path) -> None:
    broken = tiny_bundle.parent / "broken"
    broken.mkdir()
    (broken / "bundle.json").write_text("{}")
    try:
        row = next(row for row in done(warm, warm.models()) if row["name"] == "broken")
    finally:
        (broken / "bundle.json").unlink()
        broken.rmdir()
    assert "not a valid card" in row["problem"] and row["concepts"] == []


def test_estimate_says_what_the_engine_says(warm: Worker, engine: LoadedModel, fine_head: Volume) -> None:
    told = done(warm, warm.estimate(fine_head, **TINY))
    expected = engine.estimate(fine_head)
    assert (told["memory_bytes"], tuple(told["tile"])) == (expected.memory_bytes, expected.tile)
    assert told["reduced"] is False and told["free_bytes"] > 0 and told["seconds"] > 0


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a,
        lambda a: np.ascontiguousarray(a),
        lambda a: a.astype(np.float32),
        lambda a: a.astype(">i4"),
        lambda a: np.flip(np.ascontiguousarray(np.flip(a, 1)), 1),
        lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    ],
)
def test_segment_gives_what_the_engine_gives(warm: Worker, engine: LoadedModel, fine_head: Volume, layout: Any) -> None:
    source = Source(notes=("The volume was mended.",), series_uid="1.2.3")
    volume = Volume(layout(fine_head.array), fine_head.affine, "CT", source)
    made: Segmentation = done(warm, warm.segment(volume, **TINY))
    expected = engine.segment(Volume(fine_head.array.astype(np.float32), fine_head.affine, "CT", source))
    assert np.array_equal(made.labels, expected.labels) and made.labels.dtype == expected.labels.dtype
    assert np.array_equal(made.affine, expected.affine)
    assert (made.segments, made.model, made.notes) == (expected.segments, expected.model, expected.notes)
    assert made.source is source
    assert made.report["device"] == expected.report["device"]
    assert files_of(warm) == []


def test_chosen_structures_and_a_region(warm: Worker, engine: LoadedModel, fine_head: Volume) -> None:
    roi = (-20.0, 60.0, -60.0, 60.0, -60.0, 60.0)
    names = ["Mandible", "skull"]
    made = done(warm, warm.segment(fine_head, names, roi=roi, **TINY))
    expected = engine.segment(Volume(fine_head.array.astype(np.float32), fine_head.affine, "CT"), names, roi)
    assert [s.concept for s in made.segments] == ["mandible", "skull"]
    assert np.array_equal(made.labels, expected.labels) and made.segments == expected.segments


def test_find_gives_what_the_engine_gives(warm: Worker, engine: LoadedModel, fine_head: Volume) -> None:
    query = "both parotids and the mandible"
    made: Found = done(warm, warm.find(fine_head, query, k=2, **TINY))
    volume = Volume(fine_head.array.astype(np.float32), fine_head.affine, "CT")
    expected = engine.find(volume, query, k=2)
    assert made.text == query and len(made.regions) == len(expected) == 2
    for rank, (mine, theirs) in enumerate(zip(made.regions, expected, strict=True), 1):
        assert (mine.rank, mine.concept, mine.name) == (rank, theirs.concept.id, theirs.concept.name)
        assert (mine.score, mine.centre, mine.volume_ml) == (theirs.score, theirs.centre, theirs.volume_ml)
        assert mine.color == theirs.concept.color and mine.mask.dtype == np.uint8
        mask, affine = theirs.crop()
        assert np.array_equal(mine.mask, mask) and np.array_equal(mine.affine, affine)
    assert files_of(warm) == []


def test_what_is_not_found_is_said(warm: Worker, fine_head: Volume) -> None:
    unknown = done(warm, warm.find(fine_head, "mandibel xyzzy", **TINY))
    assert unknown.unknown and "Unknown" in " ".join(unknown.notes)
    other = done(warm, warm.find(fine_head, "liver", **TINY))
    assert other.regions == () and "does not know liver" in other.notes[-1]


def test_one_pass_serves_all_that_follow(warm: Worker, fine_head: Volume) -> None:
    """The same key: nothing is sent or encoded twice. Another key, model or tile is another matter."""

    def stages(job_of: Any, **more: Any) -> set[str]:
        seen: set[str] = set()
        done(warm, job_of(fine_head, **{**TINY, "key": "a", **more}, on_progress=lambda job: seen.add(job.stage)))
        return seen - {""}

    sent = warm._uploads._count  # type: ignore[union-attr]
    assert stages(warm.encode) == {"preparing", "encoding", "cleaning"}
    assert stages(warm.segment) == {"resampling"}
    assert stages(warm.find, text="skull") == {"searching"}
    assert "encoding" in stages(warm.segment, roi=(-50, 50, -50, 50, -50, 50))
    assert stages(warm.segment, structures=["skull"]) == {"resampling"}
    assert warm._uploads._count == sent + 1  # type: ignore[union-attr]
    assert "encoding" in stages(warm.segment, tile=48)
    assert "encoding" in stages(warm.segment, key="b")
    assert "encoding" in stages(warm.segment, key="")
    assert "encoding" in stages(warm.find, key="", text="skull")
    assert warm._uploads._count == sent + 4  # type: ignore[union-attr]


def test_a_key_does_not_hide_another_place(warm: Worker, fine_head: Volume) -> None:
    affine = fine_head.affine.copy()
    affine[0, 3] += 7
    first = done(warm, warm.find(fine_head, "skull", key="c", **TINY))
    moved = done(warm, warm.find(Volume(fine_head.array, affine, "CT"), "skull", key="c", **TINY))
    assert moved.regions[0].centre[0] == pytest.approx(first.regions[0].centre[0] + 7)


def test_the_caller_may_change_its_array_at_once(warm: Worker, fine_head: Volume) -> None:
    array, affine = fine_head.array.copy(order="F"), fine_head.affine.copy()
    job = warm.segment(Volume(array, affine, "CT"), **TINY)
    array[:] = 0
    affine[:] = 0
    made = done(warm, job)
    assert all(row.found for row in made.segments) and np.array_equal(made.affine, fine_head.affine)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"structures": ["liver"]}, UsageError, "not trained on liver"),
        ({"structures": ["mandibel-x"]}, UsageError, "no known structure"),
        ({"structures": []}, UsageError, "No structure was named"),
        ({"model": "nothing"}, UsageError, "no model 'nothing'"),
        ({"device": "abacus"}, UsageError, "no device 'abacus'"),
        ({"tile": 2}, UsageError, "too small"),
        ({"roi": (0, 0, 0, 1, 0, 1)}, UsageError, "empty"),
        ({"roi": (900, 901, 0, 1, 0, 1)}, UsageError, "outside"),
        ({"roi": (0, float("nan"), 0, 1, 0, 1)}, MedVLPError, "cannot be sent"),
        ({"roi": (0, 1)}, MedVLPError, "roi is not a list of 6 numbers"),
        ({"structures": [3]}, MedVLPError, "not a list of texts"),
    ],
)
def test_wrong_requests_are_explained(
    warm: Worker, fine_head: Volume, change: dict[str, Any], kind: type[MedVLPError], words: str
) -> None:
    job = warm.segment(fine_head, **{**TINY, "key": "d", **change})
    with pytest.raises(kind, match=words) as caught:
        done(warm, job)
    assert job.state == "failed" and job.error is caught.value and caught.value.remedy
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (Volume(np.zeros((4, 4), np.float32), np.eye(4)), "not a volume"),
        (Volume(np.zeros((4, 4, 0), np.float32), np.eye(4)), "not a volume"),
        (Volume(np.zeros((4, 4, 4, 3), np.float32), np.eye(4)), "not a volume"),
        (Volume(np.zeros((4, 4, 4), np.complex64), np.eye(4)), "one real number"),  # type: ignore[arg-type]
        (Volume(np.zeros((4, 4, 4), np.float32), np.full((4, 4), np.nan)), "matrix"),
        (Volume(np.zeros((4, 4, 4), np.float32), np.diag([1.0, 1, 0, 1]), "CT"), "singular"),
        (Volume(np.full((4, 4, 4), np.nan, np.float32), np.eye(4) * 4, "CT"), "NaN"),
        (Volume(np.zeros((40, 40, 40), np.uint8), np.eye(4), "MR"), "is MR"),  # type: ignore[arg-type]
    ],
)
def test_wrong_volumes_are_explained(warm: Worker, volume: PlainVolume, words: str) -> None:
    with pytest.raises(MedVLPError, match=words):
        done(warm, warm.segment(volume, **TINY))
    assert files_of(warm) == []


def test_the_embedded_model_on_a_phantom(warm: Worker, head_neck_phantom: Any) -> None:
    phantom = head_neck_phantom
    made = done(warm, warm.segment(phantom.volume, ["mandible", "brainstem"], device="cpu", key="phantom"))
    assert made.model == "ct-head-neck" and all(row.found for row in made.segments)
    found = done(warm, warm.find(phantom.volume, "lower jaw", device="cpu", key="phantom"))
    region = found.regions[0]
    assert region.concept == "mandible"
    inside = np.argwhere(made.mask("mandible")) @ made.affine[:3, :3].T + made.affine[:3, 3]
    assert np.abs(inside.mean(axis=0) - region.centre).max() < 5
    volume_ml = region.mask.sum() * abs(np.linalg.det(region.affine[:3, :3])) / 1000
    assert volume_ml == pytest.approx(region.volume_ml, rel=0.1)

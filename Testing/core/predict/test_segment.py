"""`segment` on the toy head: every grid, every subset, every way to say no."""

from __future__ import annotations

import math
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_head, toy_labels, write_tiny_bundle
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.model import estimate
from vlp3d_core.predict import LoadedModel, encode, load_model
from vlp3d_core.volume import Grid, Source, Volume


@pytest.fixture
def truth() -> NDArray[np.uint8]:
    return toy_labels(toy_grid())


def turned(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same voxels in the same places, stored along other axes and directions."""
    affine = volume.affine.copy()
    array = volume.array.transpose(order)
    affine[:, :3] = affine[:, list(order)]
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
            array = np.flip(array, axis)
    return Volume(array, affine, volume.modality)


def test_the_toy_head(model: LoadedModel, toy_head: Volume, truth: NDArray[np.uint8]) -> None:
    result = model.segment(toy_head)
    assert np.array_equal(result.labels, truth)
    assert [s.concept for s in result.segments] == list(BANDS)
    assert [s.value for s in result.segments] == list(range(1, 8))
    for row in result.segments:
        assert row.found
        assert row.volume_ml == pytest.approx((truth == row.value).sum() * 0.064)
        assert 0.9 < row.score <= 1.0
    assert result.notes == ()
    assert result.report["tile"] == [42, 40, 38]
    assert {"prepare", "network", "decide", "clean", "resample"} <= set(result.report["seconds"])


def test_all_48_orientations_agree(model: LoadedModel, toy_head: Volume, truth: NDArray[np.uint8]) -> None:
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        result = model.segment(turned(toy_head, order, flips))
        back = result.labels
        for axis, flip in enumerate(flips):
            back = np.flip(back, axis) if flip else back
        assert np.array_equal(back.transpose(np.argsort(order)), truth), (order, flips)


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("degrees", [0, 17])
def test_boxes_land_within_half_a_voxel(model: LoadedModel, degrees: float, mirror: int) -> None:
    """Oblique, anisotropic and left-handed: the centres of what is found are where the boxes are."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    spacing = np.array([2.5 * mirror, 3.0, 5.0])
    shape = (84, 72, 44)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    grid = Grid(shape, affine)
    result = model.segment(toy_head(grid))
    truth = toy_labels(grid)
    # On an oblique grid the rim between air and fat takes every HU between the two, as airway and parotids have.
    for value, name in list(enumerate(BANDS, 1))[3:]:
        mask = result.mask(name)
        found, there = (np.argwhere(m).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3] for m in (mask, truth == value))
        assert np.abs(found - there).max() < 2.5, name  # half of the coarsest voxel edge, 5 mm
        if name in ("brainstem", "skull"):
            overlap = 2 * (mask & (truth == value)).sum() / (mask.sum() + (truth == value).sum())
            assert overlap > 0.8, name


def test_a_part_gives_the_same_voxels_as_the_whole(model: LoadedModel) -> None:
    grid = toy_grid((3.0, 5.0, 4.0))
    whole = model.segment(toy_head(grid))
    part = model.segment(toy_head(grid), ["skull", "brain stem"])
    assert [(s.value, s.concept) for s in part.segments] == [(1, "skull"), (2, "brainstem")]
    for row in part.segments:
        assert np.array_equal(part.mask(row.concept), whole.mask(row.concept))
        assert row.score == next(s.score for s in whole.segments if s.concept == row.concept)
    assert set(np.unique(part.labels)) == {0, 1, 2}


def test_both_sides_and_no_repetition(model: LoadedModel) -> None:
    both = model.structures(["both parotids", "right parotid"])
    assert sorted(both) == ["parotid_gland_left", "parotid_gland_right"]


@pytest.mark.parametrize(
    ("asked", "words"), [("brainsten xyzzy", "xyzzy"), ("liver", "not trained on liver"), ([], "No structure")]
)
def test_what_it_does_not_know(model: LoadedModel, asked: str | list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        model.structures(asked)
    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_roi_is_respected(model: LoadedModel, toy_head: Volume, truth: NDArray[np.uint8]) -> None:
    r0, r1, a0, a1, s0, s1 = roi = (-60.0, 10.0, -20.0, 30.0, -10.0, 60.0)
    result = model.segment(toy_head, roi=roi)
    place = np.moveaxis(np.indices(toy_head.shape), 0, -1) @ toy_head.affine[:3, :3].T + toy_head.affine[:3, 3]
    inside = ((place >= (r0, a0, s0)) & (place <= (r1, a1, s1))).all(axis=-1)
    assert np.array_equal(result.labels, np.where(inside, truth, 0))
    assert not next(s for s in result.segments if s.concept == "mandible").found


@pytest.mark.parametrize("roi", [(500, 600, 0, 10, 0, 10), (10, -10, 0, 10, 0, 10)])
def test_a_roi_that_makes_no_sense(model: LoadedModel, toy_head: Volume, roi: tuple[float, ...]) -> None:
    with pytest.raises(UsageError):
        model.segment(toy_head, roi=roi)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "note"), [(-1000.0, "air"), (50.0, "single value"), (-60.0, "single value")], ids=["air", "one", "fat"]
)
def test_nothing_to_see(model: LoadedModel, value: float, note: str) -> None:
    source = Source(notes=("from the reader",))
    volume = Volume(np.full((20, 24, 16), value, np.float32), np.diag([4.0, 4, 4, 1]), "CT", source)
    result = model.segment(volume)
    assert not result.labels.any() and result.labels.shape == volume.shape
    assert not any(s.found or s.volume_ml for s in result.segments)
    assert result.notes[0] == "from the reader" and note in result.notes[1]
    assert result.report["device"].startswith("cpu")


def test_out_of_field(model: LoadedModel, toy_head: Volume) -> None:
    """Without skull and brainstem this is no head: what else was found is not reported either."""
    array = toy_head.array.copy()
    array[toy_labels(toy_grid()) == 4] = -60
    array[toy_labels(toy_grid()) == 7] = -60
    result = model.segment(toy_head.with_array(array))
    assert not result.labels.any()
    assert not any(s.found for s in result.segments)
    assert "does not seem to show" in result.notes[0] and "brainstem" in result.notes[0]
    peaks = {s.concept: s.score for s in result.segments}
    assert peaks["mandible"] > 0.9 and peaks["brainstem"] < 0.5


def test_modalities(model: LoadedModel, toy_head: Volume) -> None:
    with pytest.raises(MedVLPError, match="MR") as caught:
        model.segment(Volume(toy_head.array, toy_head.affine, "MR"))
    assert "--modality CT" in caught.value.remedy
    unnamed = model.segment(Volume(toy_head.array, toy_head.affine, ""))
    assert any("taken for CT" in note for note in unnamed.notes)


def test_infinite_values_are_refused(model: LoadedModel, toy_head: Volume) -> None:
    array = toy_head.array.copy()
    array[20, 20, 20] = np.nan
    with pytest.raises(MedVLPError, match="NaN"):
        model.segment(toy_head.with_array(array))


def test_progress_and_cancel(model: LoadedModel, toy_head: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "HALO", 2)
    monkeypatch.setattr("vlp3d_core.predict.answer.HALO", 2)
    seen: list[tuple[str, float]] = []
    model.segment(toy_head, tile=16, progress=lambda stage, part: seen.append((stage, part)))
    stages = list(dict.fromkeys(stage for stage, _ in seen))
    assert stages == ["preparing", "encoding", "cleaning", "resampling"]
    for stage in stages:
        parts = [part for s, part in seen if s == stage]
        assert parts == sorted(parts) and parts[0] == 0.0 and parts[-1] == 1.0
    assert len([s for s, _ in seen if s == "encoding"]) > 10

    for stage in stages:
        reached: list[str] = []
        with pytest.raises(Cancelled):
            model.segment(
                toy_head,
                tile=16,
                progress=lambda name, part, reached=reached: reached.append(name),  # type: ignore[misc]
                cancel=lambda reached=reached, stage=stage: stage in reached,  # type: ignore[misc]
            )
        assert reached[-1] == stage or stages.index(reached[-1]) <= stages.index(stage) + 1
    with pytest.raises(Cancelled):
        model.segment(toy_head, cancel=lambda: True)


def test_tiles_do_not_change_the_answer(
    model: LoadedModel, toy_head: Volume, truth: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "HALO", 2)
    monkeypatch.setattr("vlp3d_core.predict.answer.HALO", 2)
    result = model.segment(toy_head, tile=16)
    assert result.report["tile"] == [16, 16, 16]
    assert np.array_equal(result.labels, truth)


def test_memory_decides_the_tile(
    model: LoadedModel, toy_head: Volume, truth: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = model.estimate(toy_head).memory_bytes
    monkeypatch.setattr(encode, "HALO", 2)
    monkeypatch.setattr("vlp3d_core.predict.answer.HALO", 2)
    monkeypatch.setattr("vlp3d_core.model.devices.Device.free_bytes", lambda self: int(0.5 * needed))
    result = model.segment(toy_head)
    assert max(result.report["tile"]) < 38
    assert any("tile was reduced to" in note for note in result.notes), "a smaller tile is told, not silent"
    assert np.array_equal(result.labels, truth)


def test_too_large_is_said_before_the_run(
    model: LoadedModel, toy_head: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp3d_core.model.devices.Device.free_bytes", lambda self: 100_000)
    seen: list[tuple[str, float]] = []
    with pytest.raises(MedVLPError, match="memory") as caught:
        model.segment(toy_head, progress=lambda stage, part: seen.append((stage, part)))
    assert "ROI" in caught.value.remedy or "crop" in caught.value.remedy
    assert seen == [("preparing", 0.0)]


def test_the_estimate(model: LoadedModel, toy_head: Volume) -> None:
    whole = model.estimate(toy_head)
    part = model.estimate(toy_head, roi=(-10, 10, -10, 10, -10, 10))
    assert whole.seconds > 0 and not whole.reduced
    assert whole.memory_bytes >= part.memory_bytes > 0
    assert math.prod(whole.tile) <= estimate.USUAL_VOXELS["cpu"]


def test_a_tile_must_hold_its_halo(model: LoadedModel, toy_head: Volume) -> None:
    with pytest.raises(UsageError, match="too small"):
        model.segment(toy_head, tile=16)


def test_small_pieces_and_lower_limits(tmp_path: Path, toy_head: Volume) -> None:
    rules = [{"id": name, "largest_component": name != "skull", "min_ml": 20.0} for name in BANDS]
    array = toy_head.array.copy()
    array[3:6, 3:6, 3:6] = 900
    model = load_model(write_tiny_bundle(tmp_path / "m", concepts=rules).folder, "cpu")
    result = model.segment(toy_head.with_array(array))
    assert result.labels[4, 4, 4] == 7, "no rule, so the second piece stays"
    found = {s.concept for s in result.segments if s.found}
    assert "trachea" not in found, f"{PLACES['trachea']} is less than 20 ml"
    assert "brainstem" in found

"""Preprocessed volumes: on the model's grid, from whatever grid, made once and never half."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train import store
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.store import Stored, preprocess
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

NAMES = tuple(BANDS)
WINDOW = Normalisation("window", -1000, 1000)
SPACING = (4.0, 4.0, 4.0)


def write_head(folder: Path, grid: Grid | None = None, contoured: tuple[str, ...] | None = None) -> Case:
    """The toy head and its labels as files."""
    grid = grid or toy_grid()
    image, label = folder / "head.nii.gz", folder / "labels.nii.gz"
    write_volume(toy_head(grid), image)
    write_volume(Volume(toy_labels(grid).astype(np.float32), grid.affine), label)
    return Case(image, "head", "train", label, dict(enumerate(NAMES, 1)), contoured, "CT")


def run(case: Case, folder: Path, names: tuple[str, ...] = NAMES) -> Stored:
    kept = preprocess([case], folder / "cache", names, SPACING, WINDOW)[0]
    return replace(kept, image=kept.image[:], label=kept.label[:])


def oblique(grid: Grid) -> Grid:
    """About the same field of view, turned by 15° about S, at half the spacing, axes permuted, one of them flipped."""
    angle = np.deg2rad(15)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = (turn * 2.0)[:, [2, 0, 1]] * [1, -1, 1]
    shape = (80, 100, 100)
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = -matrix @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def test_on_its_own_grid_the_values_are_exact(tmp_path: Path) -> None:
    kept = run(write_head(tmp_path), tmp_path)
    labels, image = toy_labels(toy_grid()), WINDOW.apply(toy_head().array)
    assert kept.image.dtype == np.float16 and kept.label.dtype == np.uint8
    assert np.array_equal(np.bincount(kept.label.ravel())[1:], np.bincount(labels.ravel())[1:])
    for value in range(1, len(NAMES) + 1):
        assert np.allclose(kept.image[kept.label == value], image[labels == value][0], atol=1e-3)


def test_the_air_around_is_cut_off(tmp_path: Path) -> None:
    kept = run(write_head(tmp_path), tmp_path)
    assert all(n <= m for n, m in zip(kept.image.shape, toy_grid().shape, strict=True))
    assert kept.image.shape == kept.label.shape


def test_an_oblique_image_is_turned_upright(tmp_path: Path) -> None:
    straight = run(write_head(tmp_path), tmp_path)
    (tmp_path / "turned").mkdir()
    turned = run(write_head(tmp_path / "turned", oblique(toy_grid())), tmp_path)
    for value in range(1, len(NAMES) + 1):
        expected, found = (np.count_nonzero(case.label == value) for case in (straight, turned))
        assert found == pytest.approx(expected, rel=0.25)
    left, right = (np.argwhere(turned.label == 1 + NAMES.index(f"parotid_gland_{s}"))[:, 0] for s in ("left", "right"))
    assert left.max() < right.min(), "the first axis runs to the right"


def test_only_the_models_concepts_are_kept(tmp_path: Path) -> None:
    kept = run(write_head(tmp_path), tmp_path, ("mandible", "liver"))
    assert set(np.unique(kept.label)) == {0, 1}
    assert kept.known.tolist() == [True, False]


def test_contoured_decides_what_is_known(tmp_path: Path) -> None:
    case = write_head(tmp_path, contoured=("liver", "skull"))
    assert run(case, tmp_path, ("mandible", "liver", "skull")).known.tolist() == [False, True, True]
    empty = replace(case, label=None, labels={}, contoured=("mandible",))
    kept = run(empty, tmp_path, ("mandible", "liver"))
    assert kept.known.tolist() == [True, False] and not kept.label.any()


def test_a_second_time_reads_no_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = write_head(tmp_path)
    first = run(case, tmp_path)
    monkeypatch.setattr(store, "read_volume", lambda *a, **k: pytest.fail("read again"))
    second = run(replace(case, contoured=("skull",)), tmp_path)
    assert np.array_equal(first.image, second.image) and second.known.sum() == 1


def test_other_settings_or_files_are_stored_anew(tmp_path: Path) -> None:
    case = write_head(tmp_path)
    run(case, tmp_path)
    run(case, tmp_path, ("mandible",))
    write_volume(Volume(toy_head().array + 1, toy_grid().affine), case.image)
    run(case, tmp_path)
    assert len(list((tmp_path / "cache").glob("*-image.b2nd"))) == 3


def test_a_crash_leaves_nothing_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = write_head(tmp_path)
    write, calls = Path.write_bytes, []

    def half(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) == 2:
            write(path, b"half a file")
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(MedVLPError, match="No space left"):
        run(case, tmp_path)
    assert [p.name[-10:] for p in (tmp_path / "cache").iterdir()] == ["image.b2nd"]
    monkeypatch.undo()
    assert run(case, tmp_path).label.any()


@pytest.mark.parametrize("shift", [0.5, 40.0])
def test_labels_on_another_grid_are_refused(tmp_path: Path, shift: float) -> None:
    case = write_head(tmp_path)
    affine = toy_grid().affine.copy()
    affine[0, 3] += shift
    assert case.label is not None
    write_volume(Volume(toy_labels(toy_grid()).astype(np.float32), affine), case.label)
    with pytest.raises(MedVLPError, match=r"labels\.nii\.gz does not lie on the grid of .*head"):
        run(case, tmp_path)


def test_one_bad_case_does_not_wait_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = write_head(tmp_path)
    (tmp_path / "bad.nii.gz").write_bytes(b"")
    bad = replace(case, image=tmp_path / "bad.nii.gz", subject="bad")
    done = []
    read = store.read_volume
    monkeypatch.setattr(store, "read_volume", lambda *a, **k: done.append(a) or read(*a, **k))
    others = [replace(case, labels={1: f"x{n}"}) for n in range(40)]
    with pytest.raises(MedVLPError, match=r"bad\.nii\.gz"):
        preprocess([bad, *others], tmp_path / "cache", NAMES, SPACING, WINDOW)
    assert len(done) < 20


def test_progress(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    preprocess([write_head(tmp_path)], tmp_path / "cache", NAMES, SPACING, WINDOW, lambda *s: seen.append(s))
    assert seen == [("preparing 1 of 1", 1.0)]

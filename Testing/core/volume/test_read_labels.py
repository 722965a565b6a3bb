"""Label maps: whole numbers come back as they are, everything else is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.read_labels import read_labels


def write(path: Path, array: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-2.0, 3, 4, 1])), path)
    return path


@pytest.mark.parametrize(
    ("kind", "top", "expected"),
    [(np.uint8, 7, np.uint8), (np.int16, 255, np.uint8), (np.float32, 300, np.uint16), (np.uint16, 65535, np.uint16)],
)
def test_whole_numbers(tmp_path: Path, kind: type, top: int, expected: type) -> None:
    array = np.zeros((3, 4, 5), kind)
    array[1, 2, 3] = top
    labels, affine = read_labels(write(tmp_path / "l.nii.gz", array))
    assert labels.dtype == expected
    assert np.array_equal(labels, array)
    assert np.allclose(affine, np.diag([-2.0, 3, 4, 1]))


def test_nothing_but_background_is_a_label_map(tmp_path: Path) -> None:
    assert not read_labels(write(tmp_path / "l.nii", np.zeros((2, 3, 4), np.uint8)))[0].any()


@pytest.mark.parametrize(("value", "word"), [(0.5, "fractional"), (-1, "-1"), (70000, "70000")])
def test_other_numbers(tmp_path: Path, value: float, word: str) -> None:
    array = np.zeros((3, 4, 5), np.float32)
    array[0, 0, 0] = value
    with pytest.raises(MedVLPError, match=word):
        read_labels(write(tmp_path / "l.nii.gz", array))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="does not exist"):
        read_labels(tmp_path / "none.nii.gz")

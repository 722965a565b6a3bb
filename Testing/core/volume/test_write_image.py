"""A written volume is read back in the same place with the same values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume


def oblique(modality: str) -> Volume:
    """A left-handed, turned grid of 5 x 4 x 3 voxels."""
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.8, 1.5, 2.5]
    affine[:3, 3] = [-12, 34, 56]
    array = np.random.default_rng(0).normal(0, 300, (5, 4, 3)).astype(np.float32)
    return Volume(array, affine, modality)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize(("modality", "error"), [("CT", 0.5), ("MR", 0.0)])
def test_every_voxel_keeps_its_place(ending: str, modality: str, error: float, tmp_path: Path) -> None:
    volume = oblique(modality)
    path = tmp_path / f"größe 1{ending}"
    write_volume(volume, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    image = sitk.ReadImage(str(path))
    for index in np.ndindex(volume.shape):
        r, a, s = (volume.affine @ [*index, 1])[:3]
        assert image.TransformPhysicalPointToIndex((-r, -a, s)) == index
        assert abs(image[index] - volume.array[index]) <= error
    assert np.allclose(image.GetSpacing(), volume.spacing, atol=1e-5)


@pytest.mark.parametrize("name", ["a.png", "a.seg.nrrd", "a", "a.dcm"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no image format"):
        write_volume(oblique("CT"), tmp_path / name)


def test_a_sheared_grid_is_refused(tmp_path: Path) -> None:
    volume = oblique("CT")
    volume.affine[0, 1] += 0.5
    with pytest.raises(MedVLPError, match="not perpendicular"):
        write_volume(volume, tmp_path / "a.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="Cannot write"):
        write_volume(oblique("CT"), tmp_path / "missing" / "a.nii.gz")

"""Small label maps on oblique grids, in memory and as files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from vlp3d_core.evaluate import LabelMap

NAMES = {1: "liver", 2: "spleen"}


def _affine() -> np.ndarray:
    """Spacing 1, 2, 3 mm, turned by 30° about the S axis, far from the origin."""
    angle = np.pi / 6
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [1.0, 2.0, 3.0]
    affine[:3, 3] = [-100, 50, 900]
    return affine


@pytest.fixture
def affine() -> np.ndarray:
    return _affine()


@pytest.fixture
def labels() -> np.ndarray:
    """A liver of 6x5x4 voxels and a spleen of 2x3x2 in 14x12x10."""
    array = np.zeros((14, 12, 10), np.uint8)
    array[2:8, 3:8, 2:6] = 1
    array[10:12, 4:7, 5:7] = 2
    return array


@pytest.fixture
def label_map(affine: np.ndarray) -> Callable[..., LabelMap]:
    def make(array: np.ndarray, values: Mapping[int, str] = NAMES, matrix: np.ndarray = affine) -> LabelMap:
        return LabelMap(array, matrix, values)

    return make


@pytest.fixture
def write_nifti(affine: np.ndarray) -> Callable[..., Path]:
    """Write an array as NIfTI, with the sidecar of a prediction when `values` are given."""

    def write(path: Path, array: np.ndarray, values: Mapping[int, str] | None = None, matrix: Any = affine) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, matrix), path)
        if values is not None:
            entries = [{"value": value, "concept": concept, "found": True} for value, concept in values.items()]
            sidecar = path.parent / path.name.replace(".nii.gz", ".json")
            sidecar.write_text(json.dumps({"model": "test", "labels": entries}), encoding="utf-8")
        return path

    return write

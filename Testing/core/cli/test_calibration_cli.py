"""`vlp3d evaluate calibration` with the tiny model, which is right about the toy head, and once is not."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from Testing.core.cli.conftest import Run
from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write_image import write_volume

NAMES = dict(enumerate(BANDS, 1))
MANDIBLE = list(BANDS).index("mandible") + 1


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """One head with all contours, and one whose left half of the mandible nobody has contoured."""
    grid, cases = toy_grid(), []
    for subject in ("anna", "berta"):
        head, labels = toy_head(grid), toy_labels(grid)
        if subject == "berta":
            labels[: grid.shape[0] // 2][labels[: grid.shape[0] // 2] == MANDIBLE] = 0
        image, label = tmp_path / f"{subject}.nii.gz", tmp_path / f"{subject}-labels.nii.gz"
        write_volume(head, image)
        nib.save(nib.Nifti1Image(labels, grid.affine), label)
        cases.append(Case(image, subject, "validation", label, NAMES, tuple(BANDS), "CT"))
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


def test_right_and_wrong(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    command = ("evaluate", "calibration", "--model", tiny_bundle, "--manifest", manifest)
    found = vlp3d(*command, "--json").json
    rows = {row["name"]: row for row in found["structures"]}
    assert rows["Brainstem"]["right"] == 1 and rows["Mandible"]["right"] < 0.9 < rows["Mandible"]["claimed"]
    assert found["cases"] == 2 and sum(row["voxels"] for row in rows.values()) == found["voxels"]
    assert sum(row["voxels"] for row in found["bins"]) == found["voxels"]
    low, high = found["ece95"]
    assert 0 < low <= found["ece"] <= high
    said = vlp3d(*command).out
    assert "2 volumes" in said and "Expected calibration error" in said and "Mandible" in said


def test_what_it_refuses(vlp3d: Run, manifest: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    command = ("evaluate", "calibration", "--model", tiny_bundle, "--manifest", manifest)
    done = vlp3d(*command, "--split", "test")
    assert done.code == 1 and "has no volumes with label maps" in done.err
    labels = nib.load(tmp_path / "anna-labels.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(labels.dataobj), labels.affine @ np.diag([1, 1, 2, 1])), tmp_path / "x.nii.gz")
    (tmp_path / "x.nii.gz").replace(tmp_path / "anna-labels.nii.gz")
    done = vlp3d(*command)
    assert done.code == 1 and "does not lie on the grid" in done.err

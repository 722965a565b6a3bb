"""`vlp3d evaluate calibration` with the tiny model, which is right about the toy head, and once is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.special import expit, logit

from Testing.core.cli.conftest import Run
from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from vlp3d_core import load_model, read_volume
from vlp3d_core.model.bundle import read_bundle, write_card
from vlp3d_core.model.card_page import card_page
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


def test_a_temperature_that_every_score_follows(vlp3d: Run, manifest: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    halved = nib.load(tmp_path / "berta-labels.nii.gz")
    values = np.asarray(halved.dataobj).copy()
    values[:, ::2] = 0  # of what the model finds in berta, half is wrong
    nib.save(nib.Nifti1Image(values, halved.affine), tmp_path / "berta-labels.nii.gz")
    own = Path(shutil.copytree(tiny_bundle, tmp_path / "ct-own"))
    field = {**read_bundle(own).card["field"], "anchor_score": 0.9}
    write_card(own, {**read_bundle(own).card, "field": field})
    command = ("evaluate", "calibration", "--model", own, "--manifest", manifest, "--json")
    before, image = vlp3d(*command, "--write").json, tmp_path / "anna.nii.gz"
    bundle = read_bundle(own)
    measured = bundle.card["calibration"]
    assert bundle.temperature == pytest.approx(before["best"], abs=1e-4) and bundle.temperature > 1
    assert measured["ece_before"] == pytest.approx(before["ece"], abs=1e-4) and measured["ece"] < before["ece"]
    after = vlp3d(*command).json
    assert after["ece"] == pytest.approx(measured["ece"], abs=1e-3) and after["best"] == pytest.approx(before["best"])
    assert bundle.card["field"]["anchor_score"] == pytest.approx(expit(logit(0.9) / bundle.temperature), abs=1e-4)
    results = [load_model(folder, "cpu").segment(read_volume(image)) for folder in (tiny_bundle, own)]
    assert np.array_equal(results[0].labels, results[1].labels), "no decision changes"
    lower = {a.concept: b.score - a.score for a, b in zip(*(result.segments for result in results), strict=True)}
    assert all(change <= 0 for change in lower.values()) and lower["brainstem"] < -0.01
    found = load_model(own, "cpu").find(read_volume(image), "brainstem")[0]
    assert found.score == next(s.score for s in results[1].segments if s.concept == "brainstem")
    page = card_page(bundle)
    assert "## Probabilities" in page and f"{measured['ece']:.3f}" in page and f"{measured['ece_before']:.3f}" in page


def test_only_validation_is_written(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    card = (tiny_bundle / "bundle.json").read_bytes()
    for split in ("train", "test"):
        done = vlp3d(
            "evaluate", "calibration", "--model", tiny_bundle, "--manifest", manifest, "--split", split, "--write"
        )
        assert done.code == 2 and "validation only" in done.err
    assert (tiny_bundle / "bundle.json").read_bytes() == card

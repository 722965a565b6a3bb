"""`vlp3d evaluate search` and `alike` with the tiny model, which finds everything in the toy head."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import pytest

from Testing.core.cli.conftest import Run
from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from vlp3d_core.cli.search import REGIONS
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write_image import write_volume

NAMES = dict(enumerate(BANDS, 1))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two heads; nobody has contoured the mandible of one of them."""
    grid, cases = toy_grid(), []
    for subject in ("anna", "berta"):
        image, label = tmp_path / f"{subject}.nii.gz", tmp_path / f"{subject}-labels.nii.gz"
        write_volume(toy_head(grid), image)
        nib.save(nib.Nifti1Image(toy_labels(grid), grid.affine), label)
        contoured = [name for name in BANDS if name != "mandible" or subject == "anna"]
        cases.append(Case(image, subject, "test", label, NAMES, tuple(contoured), "CT"))
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


def test_what_is_found_and_what_is_refused(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    command = ("evaluate", "search", "--model", tiny_bundle, "--manifest", manifest, "--half", "development")
    found = vlp3d(*command, "--json").json
    rows = {row["kind"]: row["means"] for row in found["rows"]}
    assert rows["name"] == {"resolved": 1, "recall_1": 1, "recall_5": 1, "iou": 1}
    assert rows["absent"] == rows["nonsense"] == rows["other"] == {"refused": 1}
    assert found["volumes"] == 2 and found["auroc"] > 0.9
    asked = [answer for answer in found["answers"] if answer["given"] == ["mandible"] and answer["kind"] == "name"]
    assert asked and {answer["subject"] for answer in asked} == {"anna"}, "only where somebody has contoured it"
    assert {answer["half"] for answer in found["answers"]} == {"development"}
    said = vlp3d(*command, "--volumes", 1).out
    assert "RECALL@1" in said and "free phrases" in said and "AUROC of refusal 0.9" in said


def test_phrases_of_a_region(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    command = ("evaluate", "search", "--model", tiny_bundle, "--manifest", manifest, "--region", "head-neck")
    found = vlp3d(*command, "--json").json
    assert "answers" not in found, "only means are told"
    rows = {row["kind"]: row for row in found["rows"]}
    assert rows["name"]["means"]["resolved"] > 0.5 and "absent" not in rows and found["volumes"] == 2


def test_understanding_needs_no_model(vlp3d: Run) -> None:
    found = vlp3d("evaluate", "phrases", "--region", "hippocampus", "--json").json
    rows = {row["kind"]: row["means"] for row in found["hippocampus"]}
    assert list(found) == ["hippocampus"] and rows["nonsense"] == {"refused": 1} and list(rows["name"]) == ["resolved"]
    said = vlp3d("evaluate", "phrases").out
    assert all(region in said for region in REGIONS) and "free phrases" in said


def test_what_it_refuses(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    done = vlp3d("evaluate", "search", "--model", tiny_bundle, "--manifest", manifest, "--split", "validation")
    assert done.code == 1 and "has no volumes with label maps" in done.err


def test_alike(vlp3d: Run, manifest: Path, tiny_bundle: Path) -> None:
    """What one head shows is found in the other; the two are the same."""
    found = vlp3d("evaluate", "alike", "--model", tiny_bundle, "--manifest", manifest, "--json").json
    rows = {row["structure"]: row for row in found["structures"]}
    assert set(rows) == {*BANDS, "all"} and rows["all"]["pairs"] == 2 * len(BANDS) == len(found["pairs"])
    assert all(row["hit"] == row["iou"] == row["named"] == 1 for row in rows.values())
    said = vlp3d("evaluate", "alike", "--model", tiny_bundle, "--manifest", manifest).out
    assert "MEDIAN IOU" in said and "brainstem" in said
    done = vlp3d("evaluate", "alike", "--model", tiny_bundle, "--manifest", manifest, "--split", "train")
    assert done.code == 1 and "has no volumes with label maps" in done.err

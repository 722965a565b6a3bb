"""The importer of openkbp, on a folder of the same layout and, where it lies beside the repository, on the real one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers import openkbp
from vlp3d_core.train.importers.openkbp import ELSEWHERE, negative_cases, openkbp_cases, phantom_cases
from vlp3d_core.train.manifest import read_manifest
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

NAMES = {"1": "brainstem", "2": "spinal_cord", "3": "mandible"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Patients 2, 10 and 1; the mandible is contoured in 10 only. One voxel is 48 ml."""
    made = tmp_path / "openkbp"
    made.mkdir()
    (made / "labels.json").write_text(json.dumps(NAMES | {"_source": "made for this test"}))
    for number, values in ((2, (1, 2)), (10, (1, 2, 3)), (1, ())):
        labels = np.zeros((6, 5, 4), np.float32)
        labels.flat[: len(values)] = values
        for ending, array in (("ct", labels * 10), ("organs", labels)):
            write_volume(Volume(array, np.diag([40.0, 40, 30, 1])), made / f"pt_{number}_{ending}.nii.gz")
    return made


def test_cases(folder: Path) -> None:
    cases = openkbp_cases(folder, {"validation": ["pt_10"], "test": ["pt_1", "pt_77"]})
    assert [(c.subject, c.split) for c in cases] == [("pt_1", "test"), ("pt_2", "train"), ("pt_10", "validation")]
    assert [c.contoured for c in cases] == [(), ("brainstem", "spinal_cord"), ("brainstem", "spinal_cord", "mandible")]
    assert all(c.labels == {1: "brainstem", 2: "spinal_cord", 3: "mandible"} and c.modality == "CT" for c in cases)


@pytest.mark.parametrize("voxels", [1, 7], ids=["a stub", "a slip"])
def test_contours_of_an_impossible_size_are_not_trained_on(folder: Path, voxels: int) -> None:
    """A mandible of 4.5 ml, and one of 168 ml; they stay in validation and test, where nothing may be left out."""
    labels = np.zeros((6, 5, 4), np.float32)
    labels.flat[:voxels] = 3
    edge = 16.5 if voxels == 1 else 28.85
    for ending in ("ct", "organs"):
        write_volume(Volume(labels, np.diag([edge, edge, edge, 1])), folder / f"pt_2_{ending}.nii.gz")
    for split, contoured in (("train", ()), ("test", ("mandible",))):
        case = next(c for c in openkbp_cases(folder, {split: ["pt_2"]}) if c.subject == "pt_2")
        assert case.contoured == contoured


def test_command_writes_a_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = folder / "m.jsonl"
    monkeypatch.setattr(sys, "argv", ["openkbp", str(folder), "-o", str(out)])
    openkbp.main()
    assert read_manifest(out) == openkbp_cases(folder, load_config("ct-head-neck").splits)
    assert "'train': 2" in capsys.readouterr().out, "patient 10 is for the test"


@pytest.mark.parametrize("lacking", ["labels.json", "pt_*_ct.nii.gz", "pt_2_organs.nii.gz"])
def test_another_folder_is_refused(folder: Path, lacking: str) -> None:
    for file in folder.glob(lacking):
        file.unlink()
    with pytest.raises(MedVLPError, match="openkbp"):
        openkbp_cases(folder, {})


def test_negatives_are_for_training_only(tmp_path: Path) -> None:
    (tmp_path / "totalsegmentator").mkdir()
    (tmp_path / "totalsegmentator" / "example_ct.nii.gz").touch()
    (tmp_path / "totalsegmentator" / "example_mr.nii.gz").touch()
    (case,) = negative_cases(tmp_path)
    assert (case.subject, case.split, case.label, case.contoured) == ("other-example_ct", "train", None, ELSEWHERE)


def test_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = openkbp.make_phantom
    monkeypatch.setattr(openkbp, "make_phantom", lambda seed, region: make(seed, region, spacing=(12, 12, 12)))
    cases = phantom_cases(3, tmp_path)
    assert Counter(c.split for c in cases) == {"train": 4} and len({c.subject for c in cases}) == 4
    head, trunk = cases[0], cases[-1]
    assert head.contoured is None and set(head.labels.values()) >= {"mandible", "parotid_gland_left"}
    assert trunk.labels == {} and set(trunk.contoured or ()) <= set(ELSEWHERE)
    assert "mandible" in (trunk.contoured or ())


def test_the_real_folder(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only counted; the label maps stay closed."""
    found = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    monkeypatch.setattr(openkbp, "read_labels", lambda path: (found, np.eye(4)))
    config = load_config("ct-head-neck")
    cases = openkbp_cases(shared_data / "openkbp", config.splits)
    counts = Counter(case.split for case in cases)
    assert (counts["validation"], counts["test"]) == (24, 24) and counts["train"] > 100
    assert all(case.image.is_file() and case.label is not None and case.label.is_file() for case in cases)
    assert set(cases[0].labels.values()) == set(config.concepts)

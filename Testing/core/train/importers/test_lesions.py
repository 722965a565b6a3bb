"""The importer of lesions: both sides of the white matter as one, patients for the test alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from Testing.core.train.importers.made import image, labels, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers import lesions
from vlp3d_core.train.manifest import read_manifest

NAMES = '{"2": "cerebral_white_matter_left", "41": "cerebral_white_matter_right", "16": "brainstem"}'


def heads_of(folder: Path) -> Path:
    for number in range(4):
        labels(folder / f"training_seg_{number:02d}.nii.gz", 2, 41, 16)
    text(folder / "labels.json", NAMES)
    return folder


def patient(folder: Path, contrasts: tuple[str, ...] = ("FLAIR", "T1")) -> Path:
    for contrast in contrasts:
        image(folder / f"patient07_{contrast}.nii.gz")
    labels(folder / "patient07_lesions.nii.gz", 1)
    return folder


def test_both_sides_are_one_and_lesions_are_known(tmp_path: Path) -> None:
    cases = lesions.head_cases(heads_of(tmp_path / "maps"), tmp_path / "out")
    assert len(cases) == 4
    for case in cases:
        assert case.labels == {2: "white_matter", 41: "white_matter"} and case.made_from
        assert case.contoured == tuple(load_config("mr-lesions").concepts)


def test_patients_are_tested_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads, out = heads_of(tmp_path / "maps"), tmp_path / "lesions.jsonl"
    patients = patient(tmp_path / "ms")
    monkeypatch.setattr(sys, "argv", ["lesions", str(heads), "--patients", str(patients), "-o", str(out)])
    lesions.main()
    cases = read_manifest(out, tissues=True)
    tested = [case for case in cases if case.split == "test"]
    assert [case.image.name for case in tested] == ["patient07_FLAIR.nii.gz", "patient07_T1.nii.gz"]
    assert {case.subject for case in tested} == {"open-ms-patient07"}
    assert all(case.contoured == ("white_matter_lesion",) for case in tested)
    assert {case.split for case in cases if case.made_from} == {"train", "validation"}


def test_a_contrast_may_be_missing(tmp_path: Path) -> None:
    assert len(lesions.patient_cases(patient(tmp_path, ("T1",)))) == 1


def test_a_folder_without_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="does not hold patients"):
        lesions.patient_cases(tmp_path)


def test_the_real_patients(shared_data: Path) -> None:
    cases = lesions.patient_cases(shared_data / "open_ms")
    assert [case.subject for case in cases] == ["open-ms-patient07"] * 2 + ["open-ms-patient19"] * 2

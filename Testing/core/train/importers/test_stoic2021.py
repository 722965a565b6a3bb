"""STOIC2021: two results a patient; unknown cells stay unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import stoic2021


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "stoic2021-training"
    for patient in (0, 10, 101, 7788, 9):
        image(made / f"data/mha/{patient}.mha")
    rows = "0,1,1\n10,1.0,0.0\n101,0,0\n7788,1,\n55,0,0\n"
    text(made / "metadata/reference.csv", "\ufeffPatientID,probCOVID,probSevere\n" + rows)
    return made


def test_patients(folder: Path) -> None:
    cases, notes = build("stoic2021", folder)
    assert {c.subject: c.findings for c in cases.values()} == {
        "0": {"covid_19": True, "severe_covid_19": True},
        "10": {"covid_19": True, "severe_covid_19": False},
        "101": {"covid_19": False, "severe_covid_19": False},
        "7788": {"covid_19": True},
        "9": {},
    }
    assert {c.split for c in cases.values()} == {"train", "validation", "test"}
    assert all(c.modality == "CT" for c in cases.values())
    assert "1 patients of reference.csv have no volume here: 55" in notes
    assert "1 volumes are not in reference.csv and have no findings: 9" in notes


def test_what_is_refused(folder: Path) -> None:
    text(folder / "metadata/reference.csv", "PatientID,probCOVID\n0,1\n")
    with pytest.raises(MedVLPError, match="no column probSevere"):
        stoic2021.read(request(folder))
    (folder / "metadata/reference.csv").unlink()
    with pytest.raises(MedVLPError, match=r"no metadata/reference\.csv"):
        stoic2021.read(request(folder))


def test_a_table_without_volumes(tmp_path: Path) -> None:
    text(tmp_path / "s/metadata/reference.csv", "PatientID,probCOVID,probSevere\n")
    with pytest.raises(MedVLPError, match=r"no data/mha/ID\.mha"):
        stoic2021.read(request(tmp_path / "s"))

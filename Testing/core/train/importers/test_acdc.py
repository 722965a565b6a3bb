"""ACDC: the two frames of each patient, and the official test patients."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, labels, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import acdc

INFO = "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"


def patient(folder: Path, number: int, reference: bool = True, info: str = INFO) -> Path:
    name = f"patient{number:03d}"
    home = folder / ("testing" if number > 100 else "training") / name
    text(home / "Info.cfg", info)
    image(home / f"{name}_4d.nii.gz", channels=2)
    for frame in ("01", "12"):
        image(home / f"{name}_frame{frame}.nii.gz", spacing=(1.5, 1.5, 10))
        if reference:
            labels(home / f"{name}_frame{frame}_gt.nii.gz", 1, 2, 3, spacing=(1.5, 1.5, 10))
    return home


def test_patients(tmp_path: Path) -> None:
    folder = tmp_path / "acdc"
    for number in (1, 2, 101):
        patient(folder / "database", number, reference=number != 101)
    cases, notes = build("acdc", folder)
    assert len(cases) == 6 and {c.subject for c in cases.values()} == {"patient001", "patient002", "patient101"}
    assert {c.split for c in cases.values() if c.subject != "patient101"} == {"train", "validation"}
    first, last = cases["patient001_frame12.nii.gz"], cases["patient101_frame01.nii.gz"]
    assert first.labels == {1: "heart_ventricle_right", 2: "heart_myocardium", 3: "heart_ventricle_left"}
    assert first.label and first.label.name == "patient001_frame12_gt.nii.gz" and first.modality == "MR"
    assert (last.split, last.label, last.labels) == ("test", None, {})
    assert "1 patients have no reference (_gt): patient101" in notes


@pytest.mark.parametrize("info", ["ED: 1\n", "ED: one\nES: 12\n", "", "ED: ²\nES: 12\n"])
def test_info_without_frames(tmp_path: Path, info: str) -> None:
    patient(tmp_path / "acdc", 1, info=info)
    with pytest.raises(MedVLPError, match="which frames are ED and ES"):
        acdc.read(request(tmp_path / "acdc"))


def test_a_missing_frame(tmp_path: Path) -> None:
    (patient(tmp_path / "acdc", 1) / "patient001_frame12.nii.gz").unlink()
    with pytest.raises(MedVLPError, match=r"no volume patient001_frame12\.nii\.gz, which its Info.cfg names"):
        acdc.read(request(tmp_path / "acdc"))

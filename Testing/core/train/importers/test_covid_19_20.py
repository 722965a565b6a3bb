"""COVID-19-20: labelled volumes in three splits, the others for the test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, labels, request
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import covid_19_20


def test_volumes(tmp_path: Path) -> None:
    folder = tmp_path / "COVID-19-20_v2"
    for number in (3, 11, 13, 14):
        image(folder / f"Train/volume-covid19-A-{number:04d}_ct.nii.gz")
        labels(folder / f"Train/volume-covid19-A-{number:04d}_seg.nii.gz", 1)
    image(folder / "Validation/volume-covid19-A-0500_ct.nii.gz")
    labels(folder / "Train/volume-covid19-A-0700_seg.nii.gz", 1)
    cases, notes = build("covid-19-20", folder)
    assert Counter(c.split for c in cases.values() if c.label) == {"train": 2, "validation": 1, "test": 1}
    case, hidden = cases["volume-covid19-A-0003_ct.nii.gz"], cases["volume-covid19-A-0500_ct.nii.gz"]
    assert (case.subject, case.labels, case.modality) == ("volume-covid19-A-0003", {1: "lung_covid_infiltrate"}, "CT")
    assert case.label and case.label.name == "volume-covid19-A-0003_seg.nii.gz"
    assert (hidden.split, hidden.label, hidden.contoured) == ("test", None, None)
    assert "1 volumes have no contours" in notes and "1 label maps have no volume: volume-covid19-A-0700" in notes


def test_another_folder(tmp_path: Path) -> None:
    image(tmp_path / "x" / "scan_ct.nii.gz")
    with pytest.raises(MedVLPError, match=r"no volume-covid19-A-XXXX_ct\.nii\.gz"):
        covid_19_20.read(request(tmp_path / "x"))

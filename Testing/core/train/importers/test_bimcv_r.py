"""BIMCV-R: volumes by the file names in a table that was written on another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import bimcv_r

HEADER = "PatientID,ReportID,Report,Labels,path,Report_en,ct_path\n"


def name(patient: int, run: int = 1) -> str:
    return f"sub-S{patient}_ses-E1_run-{run}_bp-chest_ct.nii.gz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "BIMCV-R"
    for patient, run in ((1, 1), (1, 2), (2, 1), (3, 1), (4, 1)):
        image(made / "ct" / name(patient, run))
    rows = [(1, 1), (1, 2), (2, 1), (2, 1), (3, 1), (9, 1)]
    lines = [
        f"sub-S{p},ses-E1,sin derrame .,\"['nodule', 'exclude']\",/raid/x,\"No effusion, {n}.\",/raid/x/{name(p, r)}\n"
        for n, (p, r) in enumerate(rows)
    ]
    text(made / "meta/curated_ct_report_path_En.csv", HEADER + "".join(lines))
    return made


def test_volumes(folder: Path) -> None:
    cases, notes = build("bimcv-r", folder)
    assert {n: c.subject for n, c in cases.items()} == {
        name(1): "sub-S1", name(1, 2): "sub-S1", name(2): "sub-S2", name(3): "sub-S3",
    }  # fmt: skip
    assert cases[name(2)].report == "No effusion, 2." and cases[name(2)].findings == {}
    assert cases[name(1)].split == cases[name(1, 2)].split and cases[name(1)].modality == "CT"
    assert {c.split for c in cases.values()} == {"train", "validation", "test"}
    assert f"1 reports have no volume here: {name(9)}" in notes
    assert f"1 volumes have two reports, of which the first counts: {name(2)}" in notes
    assert f"1 volumes have no report and are left out: {name(4)}" in notes


def test_what_is_refused(folder: Path) -> None:
    table = folder / "meta/curated_ct_report_path_En.csv"
    text(table, HEADER + "sub-S9,,,,,Text.,/raid/none.nii.gz\n")
    with pytest.raises(MedVLPError, match="none of the volumes"):
        bimcv_r.read(request(folder))
    text(table, HEADER.replace("Report_en", "Report_fr"))
    with pytest.raises(MedVLPError, match="no column Report_en"):
        bimcv_r.read(request(folder))
    table.unlink()
    with pytest.raises(MedVLPError, match=r"no curated_ct_report_path_En\.csv"):
        bimcv_r.read(request(folder))

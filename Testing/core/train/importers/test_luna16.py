"""LUNA16: nodule or not, by the table of annotations; splits by subset."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import luna16
from vlp3d_core.volume.read import read_volume

HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "luna16"
    for subset in (0, 4, 5, 6, 7, 9):
        image(made / f"subset{subset}/1.3.6.{subset}.mhd", spacing=(0.7, 0.7, 2.5))
    image(made / "seg-lungs-LUNA16/1.3.6.0.mhd")
    rows = "1.3.6.0,-128.7,-175.3,-298.4,5.65\n1.3.6.0,1,2,3,4\n1.3.6.9,103.8,-211.9,-227.1,4.22\n1.3.6.33,1,2,3,4\n"
    text(made / "CSVFILES/annotations.csv", HEADER + rows)
    return made


def test_nodules_and_splits(folder: Path) -> None:
    cases, notes = build("luna16", folder)
    assert {c.subject: c.split for c in cases.values()} == {
        "1.3.6.0": "train", "1.3.6.4": "train", "1.3.6.5": "validation", "1.3.6.6": "validation",
        "1.3.6.7": "test", "1.3.6.9": "test",
    }  # fmt: skip
    assert {c.subject for c in cases.values() if c.findings == {"lung_nodule": True}} == {"1.3.6.0", "1.3.6.9"}
    assert cases["1.3.6.4.mhd"].findings == {"lung_nodule": False} and cases["1.3.6.4.mhd"].modality == "CT"
    assert read_volume(cases["1.3.6.0.mhd"].image).spacing == pytest.approx((0.7, 0.7, 2.5))
    assert "1 series with nodules have no volume here: 1.3.6.33" in notes


def test_what_is_refused(folder: Path) -> None:
    (folder / "subset7/1.3.6.7.raw").unlink()
    with pytest.raises(MedVLPError, match=r"1\.3\.6\.7\.mhd has no \.raw file"):
        luna16.read(request(folder))
    text(folder / "CSVFILES/annotations.csv", "seriesuid,coordX,coordY,coordZ\n")
    with pytest.raises(MedVLPError, match="no column diameter_mm"):
        luna16.read(request(folder))
    (folder / "CSVFILES/annotations.csv").unlink()
    with pytest.raises(MedVLPError, match=r"no annotations\.csv"):
        luna16.read(request(folder))


def test_a_table_without_volumes(tmp_path: Path) -> None:
    text(tmp_path / "luna16/annotations.csv", HEADER)
    with pytest.raises(MedVLPError, match="no subset0/ to subset9/"):
        luna16.read(request(tmp_path / "luna16"))

"""CTRG-Chest: both spellings of its list, the test volumes that are listed twice, and what is missing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from Testing.core.train.importers.made import build, image, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import ctrg_chest


def folder_with(path: Path, listed: object, volumes: range = range(1, 8)) -> Path:
    for number in volumes:
        image(path / f"Chest/{number}.nii.gz")
    text(path / "other.json", "[1, 2]")
    text(path / "split.json", json.dumps(listed))
    return path


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{number}.nii.gz", "report": "Clear lungs.", "result": "Normal.", "image_path": "./x"} | more


def test_the_list_of_mg_3d(tmp_path: Path) -> None:
    """Its validation split is its test split."""
    tests = [row(6), row(7, result="")]
    folder = folder_with(tmp_path / "c", {"train": [row(n) for n in range(1, 6)], "val": tests, "test": tests})
    cases, notes = build("ctrg-chest", folder)
    assert Counter(c.split for c in cases.values()) == {"train": 4, "validation": 1, "test": 2}
    assert {cases[f"{n}.nii.gz"].split for n in (6, 7)} == {"test"}
    assert cases["1.nii.gz"].report == "FINDINGS:\nClear lungs.\nIMPRESSION:\nNormal."
    assert cases["7.nii.gz"].report == "FINDINGS:\nClear lungs."
    assert cases["1.nii.gz"].subject == "1" and cases["1.nii.gz"].modality == "CT"
    assert "spacing and HU are not known" in notes


def test_the_list_of_dia_llama(tmp_path: Path) -> None:
    rows = [{"id": n, "finding": "A nodule.", "impression": "Nodule."} for n in range(1, 4)]
    cases, notes = build(
        "ctrg-chest", folder_with(tmp_path / "c", {"train": rows[:1], "val": rows[1:2], "test": rows[2:]})
    )
    assert [cases[f"{n}.nii.gz"].split for n in (1, 2, 3)] == ["train", "validation", "test"]
    assert cases["2.nii.gz"].report == "FINDINGS:\nA nodule.\nIMPRESSION:\nNodule."
    assert "4 volumes are not in the list and are left out" in notes


def test_a_report_without_a_volume(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "c", {"train": [row(1), row(99)]}, range(1, 2))
    cases, notes = build("ctrg-chest", folder)
    assert list(cases) == ["1.nii.gz"] and "1 reports have no volume here: 99" in notes


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"train": [{"id": "1"}]}, "Row 1 of 'train'"),
        ({"train": [row(1), {"report": "x"}]}, "Row 2 of 'train'"),
        ({"train": [row(1)], "test": [3]}, "Row 1 of 'test'"),
        ({"train": [row(70)]}, "none of the volumes"),
        ({"training": []}, "no JSON file with reports"),
    ],
)
def test_what_is_refused(tmp_path: Path, listed: object, reason: str) -> None:
    with pytest.raises(MedVLPError, match=reason):
        ctrg_chest.read(request(folder_with(tmp_path / "c", listed)))

"""Lesions one by one: counted by hand, and the command on files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.cli.main import main
from vlp3d_core.evaluate.lesions import score_lesions
from vlp3d_core.evaluate.metrics import Status


def mask(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    out = np.zeros((20, 20, 20), bool)
    for box in boxes:
        out[box] = True
    return out


ONE, TWO, THREE = np.s_[1:5, 1:5, 1:5], np.s_[8:12, 8:12, 8:12], np.s_[15:18, 15:18, 15:18]


def test_by_hand() -> None:
    """Two of three are found, one of them by an eighth; one of three predicted ones is nowhere near."""
    reference = mask(ONE, TWO, THREE)
    prediction = mask(ONE, np.s_[10:14, 10:14, 10:14], np.s_[1:3, 15:17, 15:17])
    score = score_lesions(prediction, reference, 0.001)
    assert (score.expected, score.found, score.predicted, score.right) == (3, 2, 3, 2)
    assert score.sensitivity == score.precision == score.f1 == pytest.approx(2 / 3)
    assert score.volume_error_ml == pytest.approx((64 + 64 + 8 - 64 - 64 - 27) * 0.001)


def test_less_than_a_tenth_is_not_found() -> None:
    reference, prediction = mask(np.s_[0:10, 0:10, 0:10]), mask(np.s_[9:12, 0:10, 0:9])  # 90 of 1000, 90 of 270
    score = score_lesions(prediction, reference, 0.001)
    assert (score.found, score.right, score.f1) == (0, 1, 0.0)


def test_touching_by_a_corner_is_one_lesion_and_specks_are_none() -> None:
    reference = mask(np.s_[1:3, 1:3, 1:3], np.s_[3:5, 3:5, 3:5], np.s_[10:11, 10:11, 10:11])
    score = score_lesions(reference, reference, 0.002)
    assert (score.expected, score.found, score.f1) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("prediction", "reference", "status", "f1"),
    [
        (mask(), mask(), Status.ABSENT, None),
        (mask(ONE), mask(), Status.FALSE_ALARM, 0.0),
        (mask(), mask(ONE), Status.MISSED, 0.0),
        (mask(ONE), mask(ONE), Status.SCORED, 1.0),
    ],
)
def test_what_is_empty(prediction: np.ndarray, reference: np.ndarray, status: Status, f1: float | None) -> None:
    score = score_lesions(prediction, reference, 0.001)
    assert (score.status, score.f1) == (status, f1)


@given(st.integers(0, 10_000), st.floats(0.02, 0.3))
def test_both_sides_exchange(seed: int, part: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.random((8, 8, 8)) < part, rng.random((8, 8, 8)) < part
    there, back = score_lesions(one, other, 0.001), score_lesions(other, one, 0.001)
    assert (there.expected, there.found, there.sensitivity) == (back.predicted, back.right, back.precision)
    assert there.f1 == back.f1 and (there.f1 is None or 0 <= there.f1 <= 1)
    assert there.found <= there.expected and there.right <= there.predicted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients: all lesions found, and one of two with a false one."""
    (tmp_path / "out").mkdir()
    rows = []
    for name, found, truth in (("a", (ONE, TWO), (ONE, TWO)), ("b", (ONE, THREE), (ONE, TWO))):
        for file, boxes in ((f"{name}-label", truth), (f"out/{name}", found)):
            nib.save(nib.Nifti1Image(mask(*boxes).astype(np.uint8), np.eye(4)), tmp_path / f"{file}.nii.gz")
        (tmp_path / "out" / f"{name}.json").write_text(
            json.dumps({"labels": [{"value": 1, "concept": "white_matter_lesion"}]})
        )
        rows.append(
            {"image": f"{name}-label.nii.gz", "label": f"{name}-label.nii.gz", "labels": {"1": "white_matter_lesion"}}
            | {"subject": name, "split": "test"}
        )
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "lesions", "--manifest", str(folder / "m.jsonl"), "--predictions", str(folder / "out")]
    assert main([*command, "-o", str(folder / "s.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].split()[:6] == ["white_matter_lesion", "2", "4", "3", "4", "1"]
    assert said[1].split()[6] == "0.75"
    kept = json.loads((folder / "s.json").read_text())
    assert [row["f1"] for row in kept["rows"]] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--structures", "liver"], 1, "No reference has any"),
        (["--min-ml", "-1"], 2, "is no volume"),
        (["--min-ml", "nan"], 2, "is no volume"),
        (["-o", "/nowhere/s.json"], 2, "does not exist"),
    ],
)
def test_what_cannot_be(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, message: str
) -> None:
    command = ["evaluate", "lesions", "--manifest", str(folder / "m.jsonl"), "--predictions", str(folder / "out")]
    assert main([*command, *more]) == code
    assert message in capsys.readouterr().err

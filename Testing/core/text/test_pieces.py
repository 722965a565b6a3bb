"""Reports as numbers: every text comes back, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.report.pieces import BEGIN, END, PAD, Pieces

REPORTS = ["FINDINGS:\nA 5.9 cm right renal mass.\nIMPRESSION:\n1. Renal mass, 59 mm."] * 3
PIECES = Pieces.learn(REPORTS, 400)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    numbers = PIECES.numbers(text)
    assert numbers[0] == BEGIN and numbers[-1] == END
    assert not {PAD, BEGIN, END} & set(numbers[1:-1])
    assert PIECES.text(numbers) == text


@given(st.lists(st.integers(0, len(PIECES) - 1)))
def test_any_numbers_are_a_text(numbers: list[int]) -> None:
    assert isinstance(PIECES.text(numbers), str)


def test_marks_are_letters_in_a_report() -> None:
    assert PIECES.text(PIECES.numbers("<end> of <pad>")) == "<end> of <pad>"
    assert PIECES.text([BEGIN, *PIECES.numbers("one")[1:], *PIECES.numbers("two")]) == "one"


def test_a_vocabulary_is_that_of_its_reports(tmp_path: Path) -> None:
    for path in (tmp_path / "one.json", tmp_path / "two.json"):
        Pieces.learn(REPORTS, 400).write(path)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert Pieces.read(tmp_path / "one.json").numbers(REPORTS[0]) == PIECES.numbers(REPORTS[0])
    assert len(PIECES.numbers(REPORTS[0])) < 35 and 259 < len(PIECES) <= 400
    for broken in ("{", "{}", '{"model": 1}'):
        (tmp_path / "one.json").write_text(broken)
        with pytest.raises(MedVLPError, match="no vocabulary"):
            Pieces.read(tmp_path / "one.json")
    with pytest.raises(MedVLPError, match="missing"):
        Pieces.read(tmp_path / "three.json")

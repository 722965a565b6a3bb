"""Which failures are shown, and in what words."""

from __future__ import annotations

import pytest

from vlp3d_core.evaluate import MaskScore, Row, Status
from vlp3d_core.evaluate.worst import caption_of, facts_of, file_of, title_of, worst_rows


def row(
    subject: str, structure: str, dice: float | None, reference: float = 10.0, found: float = 8.0
) -> Row[MaskScore]:
    status = Status.SCORED if reference and found else Status.MISSED if reference else Status.FALSE_ALARM
    score = MaskScore(status, dice, reference_ml=reference, prediction_ml=found)
    return Row(subject, subject, structure, score)


def chosen(rows: list[Row[MaskScore]], count: int = 3) -> list[tuple[str, str]]:
    return [(worst.subject, worst.structure) for worst in worst_rows(rows, count)]


def test_each_shows_another_structure_and_another_patient() -> None:
    rows = [
        row("a", "liver", 0.5),
        row("a", "spleen", 0.1),
        row("b", "spleen", 0.2),
        row("b", "liver", 0.6),
        row("c", "kidney_left", 0.9),
    ]
    assert chosen(rows) == [("a", "spleen"), ("b", "liver"), ("c", "kidney_left")]
    assert chosen(rows[::-1], 2) == [("a", "spleen"), ("b", "liver")]


def test_what_is_right_or_not_scored_is_no_failure() -> None:
    absent, unknown = MaskScore(Status.ABSENT), MaskScore(Status.NOT_OFFERED, reference_ml=3.0)
    rows = [Row("a", "a", "liver", absent), Row("b", "b", "spleen", unknown), row("c", "liver", 1.0)]
    assert chosen(rows) == []


def test_of_those_without_any_overlap_the_largest_comes_first() -> None:
    rows = [
        row("a", "esophagus", 0.0, 5.0, 0.0),
        row("a", "brainstem", 0.0, 20.0, 0.0),
        row("b", "larynx", 0.0, 0.0, 9.0),
    ]
    assert chosen(rows) == [("a", "brainstem"), ("b", "larynx")]


@pytest.mark.parametrize(
    ("reference", "found", "said"),
    [
        (10.0, 8.04, "Larynx, p (validation): Dice 0.12; 8.0 ml found, 10.0 ml in the reference."),
        (10.0, 0.0, "Larynx, p (validation): Dice 0.12; nothing found of 10.0 ml."),
        (0.0, 8.0, "Larynx, p (validation): Dice 0.12; 8.0 ml found where the reference has nothing."),
    ],
)
def test_captions(reference: float, found: float, said: str) -> None:
    assert caption_of(row("p", "larynx", 0.12, reference, found), "Larynx", "validation") == said


def test_titles_and_facts() -> None:
    one = row("p", "larynx", 0.125, 10.0, 0.0)
    assert title_of(one, "Larynx") == "Larynx, p"
    assert title_of(Row("p", "p-2", "larynx", one.score), "Larynx") == "Larynx, p, p-2"
    assert facts_of(one.score) == ("10.0 ml", "nothing")


@pytest.mark.parametrize(
    ("structure", "file"), [("kidney_left", "kidney_left.png"), ("custom_Größe X", "custom_Gr--e-X.png")]
)
def test_names_of_files(structure: str, file: str) -> None:
    assert file_of(structure) == file

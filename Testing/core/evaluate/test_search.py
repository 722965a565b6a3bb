"""What an answer of `find` is worth, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.search import Answer, Found, iou_with, judge, summarise_search
from vlp3d_core.evaluate.search_queries import Query

BEST = {"liver": 0.9, "spleen": 0.3}
LIVER = Found("liver", 0.8, {"liver": 0.9, "spleen": 0.0})
SPLEEN = Found("spleen", 0.7, {"liver": 0.0, "spleen": 0.3})
POOR = Found("spleen", 0.6, {"liver": 0.0, "spleen": 0.1})


def query(kind: str, *concepts: str, one: bool = False) -> Query:
    return Query("a phrase", kind, concepts, "report", one)


def test_iou() -> None:
    reference = np.zeros((4, 4, 4), np.uint8)
    reference[:2] = 1
    reference[2, 0] = 2
    core = np.ones((2, 4, 2), bool)
    core[1, 1:] = False
    sizes = np.bincount(reference.ravel())
    overlaps = iou_with((slice(1, 3), slice(0, 4), slice(0, 2)), core, reference, sizes)
    assert overlaps[1:].tolist() == [8 / (32 + 10 - 8), 2 / (4 + 10 - 2)]


def test_a_coarse_region_is_right_where_there_is_no_better_one() -> None:
    right = judge(query("name", "spleen"), "s", ["spleen"], [SPLEEN], BEST)
    assert (right.resolved, right.recall_1, right.recall_5, right.iou, right.score) == (1, 1, 1, 0.3, 0.7)
    assert right.answerable and right.given == ("spleen",)
    second = judge(query("name", "spleen"), "s", ["spleen"], [POOR, SPLEEN], BEST)
    assert (second.resolved, second.recall_1, second.recall_5, second.iou) == (1, 0, 1, 0.1)


def test_several_structures_and_one_of_several() -> None:
    both = judge(query("side", "liver", "spleen"), "s", ["liver"], [LIVER], BEST)
    assert (both.resolved, both.recall_1, both.recall_5) == (0, 1, 0.5)
    place = judge(query("place", "liver", "spleen", one=True), "s", [], [POOR, LIVER], BEST)
    assert (place.resolved, place.recall_1, place.recall_5, place.iou) == (1, 0, 1, 0.1)
    lost = judge(query("place", "liver", one=True), "s", [], [], BEST)
    assert (lost.resolved, lost.recall_1, lost.recall_5, lost.iou, lost.score) == (0, 0, 0, 0, 0)


def test_refusals() -> None:
    silent, fooled = (judge(query("other"), "s", [], found, BEST) for found in ([], [LIVER]))
    assert (silent.refused, silent.score, fooled.refused, fooled.score) == (1, 0, 0, 0.8)
    assert not silent.answerable and np.isnan(silent.recall_1)


def test_summary() -> None:
    answers: list[Answer] = []
    for subject in ("a", "b"):
        answers.append(judge(query("name", "liver"), subject, ["liver"], [LIVER], BEST))
        answers.append(judge(query("layman", "spleen"), subject, [], [SPLEEN] if subject == "a" else [], BEST))
        answers.append(judge(query("other"), subject, [], [], BEST))
    scores = summarise_search(answers)
    rows = {row.kind: row for row in scores.rows}
    assert list(rows) == ["name", "layman", "other", "concept phrases", "free phrases", "without an answer"]
    assert rows["layman"].means["recall_1"] == 0.5 and rows["layman"].intervals["recall_1"] == (0, 1)
    assert rows["other"].means == {"refused": 1} and rows["name"].n == 2
    # Of 4 × 2 pairs three quarters have a higher score, the rest are equal.
    assert scores.auroc == pytest.approx((6 + 2 / 2) / 8) and scores.volumes == 2
    assert json.loads(json.dumps(scores.to_json()))["rows"][0]["means"]["iou"] == 0.9
    with pytest.raises(MedVLPError, match="No volume shows"):
        summarise_search([answer for answer in answers if answer.answerable])
    with pytest.raises(MedVLPError, match="No volume shows"):
        summarise_search([])

"""AUROC by kind of other volume, and the limit that keeps and refuses best."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.refusal import ALL, Judged, best_limit, score_refusal


def volumes(kind: str, scores: list[float], reason: str = "") -> list[Judged]:
    return [Judged(f"{kind}{n}", kind, score, bool(reason), reason) for n, score in enumerate(scores)]


def test_each_kind_and_all_of_them() -> None:
    inside = volumes("", [0.9, 0.8, 0.4])
    result = score_refusal([*inside, *volumes("knee", [0.5, 0.0], "content"), *volumes("MR", [0.0], "modality")])
    assert (result.inside, result.kept) == (3, 3)
    rows = {row.kind: row for row in result.rows}
    assert list(rows) == [ALL, "MR", "knee"]
    assert (
        rows["MR"].auroc == 1 and rows["knee"].auroc == pytest.approx(5 / 6) and rows[ALL].auroc == pytest.approx(8 / 9)
    )
    assert (rows[ALL].refused, rows[ALL].by_modality, rows["knee"].by_modality, rows["MR"].by_modality) == (3, 1, 0, 1)
    low, high = rows[ALL].auroc95 or (0, 0)
    assert low < 8 / 9 < high <= 1
    assert len(result.to_json()["volumes"]) == 6


def test_equal_scores_count_half() -> None:
    assert score_refusal([*volumes("", [0.0]), *volumes("knee", [0.0])]).rows[0].auroc == 0.5


@pytest.mark.parametrize("only", ["", "knee"])
def test_both_are_needed(only: str) -> None:
    with pytest.raises(MedVLPError, match="Both are needed"):
        score_refusal(volumes(only, [0.5, 0.6]))


def test_the_limit_lies_in_the_widest_gap() -> None:
    assert best_limit([0.8, 0.9, 0.0], [0.0, 0.2, 0.1]) == pytest.approx(0.5)
    assert best_limit([0.3, 0.9], [0.4]) == pytest.approx(0.65), "one of the field is lost rather than a false one kept"


SCORES = st.floats(0, 1, allow_subnormal=False)
"""Between 0 and the smallest number that there is nothing lies."""


@settings(max_examples=50, deadline=None)
@given(st.lists(SCORES, min_size=1, max_size=8), st.lists(SCORES, min_size=1, max_size=8))
def test_no_other_limit_is_better(inside: list[float], outside: list[float]) -> None:
    def balanced(limit: float) -> float:
        return sum(s >= limit for s in inside) / len(inside) + sum(s < limit for s in outside) / len(outside)

    best = balanced(best_limit(inside, outside))
    assert all(balanced(limit) <= best + 1e-9 for limit in {*inside, *outside} if limit > 0)

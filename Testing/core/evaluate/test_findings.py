"""AUROC and average precision by finding: by hand, against scikit-learn, with unknown ones left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.findings import _auroc, _average_precision, findings_table, score_findings, truth_of

NAMES = ("a", "b")


def test_by_hand_and_unknown_volumes_are_left_out() -> None:
    nan = float("nan")
    found = score_findings(
        NAMES,
        np.array([[4, 9], [3, 8], [2, 7], [1, 6]], float),
        np.array([[1, nan], [0, 0], [1, 1], [0, nan]]),
        list("wxyz"),
    )
    a, b = found.findings
    assert (a.positives, a.negatives, a.auroc) == (2, 2, 0.75)
    assert a.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (b.positives, b.negatives, b.auroc, b.average_precision) == (1, 1, 0.0, 0.5)
    assert found.mean.auroc == 0.375 and found.volumes == 4
    low, high = a.auroc95 or (1, 0)
    assert low <= 0.75 <= high
    assert found.to_json()["findings"][0]["prevalence"] == 0.5
    assert [row[0] for row in findings_table(found)] == ["finding", "a", "b", "mean"]


def test_a_finding_without_both_is_named() -> None:
    found = score_findings(NAMES, np.array([[1, 1], [2, 2]], float), np.array([[1, 1], [1, 0]], float), ["x", "y"])
    assert found.left_out == ("a",) and [row.finding for row in found.findings] == ["b"]
    with pytest.raises(MedVLPError, match="No finding has both"):
        score_findings(["a"], np.ones((2, 1)), np.ones((2, 1)), ["x", "y"])


def test_truth_of_a_manifest() -> None:
    truth = truth_of([{"a": True}, {"a": False, "b": True}], NAMES)
    np.testing.assert_array_equal(truth, [[1, np.nan], [0, 1]])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=20))
def test_resamples_are_scikit_learn_s_with_weights(rows: list[tuple[bool, int, int]]) -> None:
    there = np.array([row[0] for row in rows])
    score, count = (np.array([row[n] for row in rows], float) for n in (1, 2))
    area, precision = (f(there, score, count[None])[0] for f in (_auroc, _average_precision))
    if not (count[there].sum() and count[~there].sum()):
        assert np.isnan(area) and np.isnan(precision)
        return
    drawn = count > 0
    weights = {"sample_weight": count[drawn]}
    assert area == pytest.approx(roc_auc_score(there[drawn], score[drawn], **weights))
    assert precision == pytest.approx(average_precision_score(there[drawn], score[drawn], **weights))


def test_noise_is_at_chance() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < 0.3).astype(float)
    mean = score_findings(NAMES, rng.random((400, 2)), truth, [str(n) for n in range(400)]).mean
    low, high = mean.auroc95 or (1, 0)
    assert low < 0.5 < high and high - low < 0.2

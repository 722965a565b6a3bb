"""The protocol: what counts, what is left out, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.evaluate import LabelMap, Pair, SegmentationScores, Status, evaluate_cases, text_table
from vlp3d_core.evaluate.summary import StructureSummary

Make = Callable[..., LabelMap]


def of(scores: SegmentationScores, structure: str) -> StructureSummary:
    return next(summary for summary in scores.structures if summary.structure == structure)


def test_scores_rows_and_summary(label_map: Make, labels: np.ndarray) -> None:
    reference = label_map(labels)
    moved = label_map(np.roll(labels, 1, axis=2))
    scores = evaluate_cases([Pair("a", reference, reference), Pair("b", moved, reference)])
    assert [(row.subject, row.structure) for row in scores.rows] == [
        ("a", "liver"),
        ("a", "spleen"),
        ("b", "liver"),
        ("b", "spleen"),
    ]
    liver = of(scores, "liver").metrics["dice"]
    assert (liver.n, liver.subjects) == (2, 2)
    assert liver.mean == pytest.approx((1 + 0.75) / 2)
    assert liver.sd == pytest.approx(0.25 / np.sqrt(2))
    assert (liver.low, liver.high) == (pytest.approx(0.75), pytest.approx(1.0))
    assert of(scores, "liver").metrics["hd95_mm"].mean == pytest.approx(1.5)
    spleen = of(scores, "spleen").metrics["dice"]
    assert scores.mean.metrics["dice"].mean == pytest.approx((liver.mean + spleen.mean) / 2)
    assert (scores.cases, scores.subjects, scores.notes) == (2, 2, ())


def test_one_patient_has_no_interval(label_map: Make, labels: np.ndarray) -> None:
    dice = of(evaluate_cases([Pair("a", label_map(labels), label_map(labels))]), "liver").metrics["dice"]
    assert (dice.mean, dice.sd, dice.low, dice.high) == (1, None, None, None)


def test_not_contoured_is_left_out(label_map: Make, labels: np.ndarray) -> None:
    only_liver = label_map(np.where(labels == 1, labels, 0))
    scores = evaluate_cases([Pair("a", label_map(labels), only_liver), Pair("b", label_map(labels), label_map(labels))])
    assert of(scores, "spleen").n == 1
    assert of(scores, "spleen").metrics["dice"].mean == 1
    assert ("a", "spleen") not in [(row.subject, row.structure) for row in scores.rows]


def test_contoured_list_decides(label_map: Make, labels: np.ndarray) -> None:
    only_liver = label_map(np.where(labels == 1, labels, 0))
    both = ("liver", "spleen")
    alarm = evaluate_cases([Pair("a", label_map(labels), only_liver, contoured=both)])
    assert [row.score.status for row in alarm.rows] == [Status.SCORED, Status.FALSE_ALARM]
    assert of(alarm, "spleen").metrics["dice"].mean == 0
    assert of(alarm, "spleen").metrics["hd95_mm"].mean is None
    agree = evaluate_cases([Pair("a", only_liver, only_liver, contoured=both)])
    assert (of(agree, "spleen").n, of(agree, "spleen").absent) == (0, 1)
    assert agree.mean.metrics["dice"].mean == 1
    less = evaluate_cases([Pair("a", label_map(labels), label_map(labels), contoured=("spleen",))])
    assert [row.structure for row in less.rows] == ["spleen"]
    with pytest.raises(MedVLPError, match="kidney_left is listed as contoured in a"):
        evaluate_cases([Pair("a", only_liver, only_liver, contoured=("kidney_left", "liver"))])


def test_missed_counts_and_not_offered_does_not(label_map: Make, labels: np.ndarray) -> None:
    reference = label_map(labels)
    without_spleen = label_map(np.where(labels == 1, labels, 0), {1: "liver"})
    scores = evaluate_cases([Pair("a", without_spleen, reference), Pair("b", reference, reference)])
    assert of(scores, "spleen").missed == 1
    assert of(scores, "spleen").metrics["dice"].mean == pytest.approx(0.5)
    assert of(scores, "spleen").metrics["hd95_mm"].n == 1
    never = evaluate_cases([Pair("a", without_spleen, reference)])
    assert [summary.structure for summary in never.structures] == ["liver"]
    assert never.rows[1].score.status is Status.NOT_OFFERED
    assert "spleen" in never.notes[0]
    looked_for = replace(without_spleen, absent=("spleen",))
    assert of(evaluate_cases([Pair("a", looked_for, reference)]), "spleen").missed == 1
    asked = evaluate_cases([Pair("a", without_spleen, reference)], structures=["spleen"])
    assert [(s.structure, s.missed) for s in asked.structures] == [("spleen", 1)]


def test_values_of_one_concept_are_one_structure(label_map: Make, labels: np.ndarray) -> None:
    merged = label_map((labels > 0).astype(np.uint8), {1: "abdomen"})
    parts = label_map(labels, {1: "abdomen", 2: "abdomen"})
    assert of(evaluate_cases([Pair("a", merged, parts)]), "abdomen").metrics["dice"].mean == 1


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_flips_and_permutations_score_the_same(
    label_map: Make, labels: np.ndarray, axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    prediction = label_map(np.roll(labels, 1, axis=2))
    turned = prediction.labels.transpose(axes)
    # Index of the turned array → index of the array, written down from its definition.
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for new, old in enumerate(axes):
        back[old, new] = -1 if new in flips else 1
        back[old, 3] = turned.shape[new] - 1 if new in flips else 0
    other = replace(prediction, labels=np.flip(turned, flips), affine=prediction.affine @ back)
    reference = label_map(labels)
    straight, around = (evaluate_cases([Pair("a", p, reference)]).rows for p in (prediction, other))
    assert around == straight


def test_another_grid_is_refused(label_map: Make, labels: np.ndarray, affine: np.ndarray) -> None:
    reference = label_map(labels)
    moved, finer, turned = affine.copy(), affine.copy(), affine.copy()
    moved[:3, 3] += 0.5 * affine[:3, 0]
    finer[:3, :3] *= 0.9
    turned[:3, :3] = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) @ affine[:3, :3]
    for matrix in (moved, finer, turned):
        with pytest.raises(MedVLPError, match="another grid"):
            evaluate_cases([Pair("a", label_map(labels, matrix=matrix), reference)])
    with pytest.raises(MedVLPError, match=r"another grid .*\(13x12x10 voxels"):
        evaluate_cases([Pair("a", label_map(labels[1:]), reference)])
    rounded = affine.astype(np.float32).astype(float)
    rounded[:3, 3] += 1e-3
    assert (
        of(evaluate_cases([Pair("a", label_map(labels, matrix=rounded), reference)]), "liver").metrics["dice"].mean == 1
    )


def test_refusals(label_map: Make, labels: np.ndarray) -> None:
    good = label_map(labels)
    with pytest.raises(MedVLPError, match="case a is there twice"):
        evaluate_cases([Pair("a", good, good), Pair("a", good, good)])
    with pytest.raises(MedVLPError, match="nothing to evaluate"):
        evaluate_cases([])
    with pytest.raises(MedVLPError, match="no structure in common"):
        evaluate_cases([Pair("a", label_map(labels, {1: "heart", 2: "aorta"}), good)])
    with pytest.raises(MedVLPError, match="holds the value 2"):
        evaluate_cases([Pair("a", label_map(labels, {1: "liver"}), good)])
    with pytest.raises(Cancelled):
        evaluate_cases([Pair("a", good, good)], cancel=lambda: True)


def test_two_images_of_a_subject_are_two_cases_of_one_subject(label_map: Make, labels: np.ndarray) -> None:
    good = label_map(labels)
    scores = evaluate_cases([Pair("a", good, good, case="ct"), Pair("a", good, good, case="mr")])
    assert (scores.cases, scores.subjects) == (2, 1)
    dice = of(scores, "liver").metrics["dice"]
    assert (dice.n, dice.subjects, dice.low) == (2, 1, None)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_real_organs_moved_by_one_slice(shared_data, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from vlp3d_core.evaluate import read_label_map

    folder = shared_data / "openkbp"
    names = {int(k): v for k, v in json.loads((folder / "labels.json").read_text()).items() if k.isdigit()}
    paths = sorted(folder.glob("pt_10*_organs.nii.gz"))[:3]
    references = {path.name: read_label_map(path, names) for path in paths}
    pairs = [
        Pair(name, replace(reference, labels=np.roll(reference.labels, 1, axis=2)), reference)
        for name, reference in references.items()
    ]
    scores = evaluate_cases(pairs)
    for row in scores.rows:
        mask = np.isin(references[row.case].labels, references[row.case].values_of(row.structure))
        both = (mask & np.roll(mask, 1, axis=2)).sum()
        assert row.score.dice == pytest.approx(both / mask.sum())
        assert row.score.hd95_mm == pytest.approx(2.5, abs=1.5)
        assert row.score.volume_error_ml == 0
    assert len(scores.rows) < 7 * 3, "the esophagus is contoured in a third of the patients only"
    assert "esophagus" in text_table(scores)

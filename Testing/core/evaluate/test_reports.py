"""Scores of written reports, against values worked out by hand and against NLTK's own sum over studies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import corpus_bleu

from vlp3d_core.evaluate.cider import cider
from vlp3d_core.evaluate.report_facts import agreement, agreement_with_findings, stated
from vlp3d_core.evaluate.report_scores import Reference, score_reports, scores_table
from vlp3d_core.evaluate.report_words import bleu, bleu_counts, meteor, most_typical, rouge_l, words_of
from vlp3d_core.text.report import parse_report

SAT, IS = ["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "is", "on", "the", "mat"]
WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


def test_words() -> None:
    assert words_of("A 5.9 cm\nright-sided Mass.") == ["a", "5.9", "cm", "right-sided", "mass"]
    assert words_of(" .,\n") == []


def test_bleu_by_hand() -> None:
    """Found: the, cat, on, the, mat; the cat, on the, the mat; on the mat; none of four."""
    counts = np.array([bleu_counts(SAT, IS)], float)
    assert counts.tolist() == [[5, 3, 1, 0, 6, 5, 4, 3, 6, 6]]
    expected = [5 / 6, math.sqrt(5 / 6 * 3 / 5), (5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3), 0]
    assert [bleu(counts, n)[0] for n in (1, 2, 3, 4)] == pytest.approx(expected)
    short = np.array([bleu_counts(["the"], ["the", "cat"])], float)
    assert bleu(short, 1)[0] == pytest.approx(math.exp(1 - 2))


@settings(max_examples=30, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")  # NLTK's, where it finds nothing
@given(st.lists(st.tuples(st.lists(st.sampled_from("abcd"), min_size=4, max_size=9), WORDS), min_size=1, max_size=4))
def test_bleu_is_that_of_nltk(pairs: Sequence[tuple[list[str], list[str]]]) -> None:
    summed = np.sum([bleu_counts(own, true) for own, true in pairs], axis=0, keepdims=True)
    for n in (1, 2, 3, 4):
        theirs = corpus_bleu([[true] for _, true in pairs], [own for own, _ in pairs], weights=[1 / n] * n)
        ours = bleu(summed, n)[0]
        # Where no run of n words is found theirs is next to 0, by the smallest of floats, and ours is 0.
        assert ours == pytest.approx(theirs) if ours else theirs < 1e-3


def test_rouge_and_meteor_by_hand() -> None:
    assert rouge_l("The cat sat on the mat!", "the cat is on the mat") == pytest.approx(5 / 6)
    assert rouge_l("a b", "b c d") == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    # 5 of 6 words in 2 chunks: 5/6 · (1 − ½ (2/5)³).
    assert meteor(SAT, IS) == pytest.approx(5 / 6 * (1 - 0.5 * (2 / 5) ** 3))
    # A stem counts; a synonym does not, for there is no WordNet.
    assert meteor(["masses"], ["mass"]) == pytest.approx(0.5)
    assert meteor(["tumour"], ["neoplasm"]) == 0
    assert rouge_l("", "a") == rouge_l("a", ".") == meteor([], ["a"]) == meteor(["a"], []) == 0


def test_cider_by_hand() -> None:
    """Two studies, all their words rare: for 1 word the cosine is 1/2, for 2 words 0; none has 3."""
    references = [["a", "b"], ["c", "d"]]
    assert cider([["a", "c"], ["c", "d"]], references).tolist() == pytest.approx([10 * 0.5 / 4, 10 * 2 / 4])
    # A word that all have counts nothing; a length that differs by 6 costs e^(−1/2).
    assert cider([["x"], ["x", "d"]], [["x", "b"], ["x", "d"]])[0] == 0
    longer = ["a", *"efghij", "b"]
    assert cider([longer, []], references)[0] == pytest.approx(10 * math.exp(-0.5) * 2 / math.sqrt(8 * 2) / 4)
    assert cider([list("abcde"), list("vwxyz")], [list("abcde"), list("vwxyz")]).tolist() == pytest.approx([10, 10])
    # What is written too often is clipped: a a a a · a b.
    clipped = cider([["a"] * 2, []], references)[0]
    assert clipped == pytest.approx(10 * 1 / (2 * math.sqrt(2)) / 4)
    assert np.isnan(cider([["a"]], [["a"]])).all()


def test_facts_are_findings_with_their_place() -> None:
    own = stated("FINDINGS:\nA 5.9 cm right renal mass. A small amount of ascites. No hepatic cyst.")
    assert own == {("kidney_tumor", "right", ""), ("ascites", "", "")}
    other = stated("FINDINGS:\nMass in the left kidney, 12 mm. Large ascites.")
    assert agreement(own, other) == [1, 2, 2]
    assert stated("The weather is fine.") == frozenset()
    findings = {"ascites": False, "kidney_tumor": True, "liver_cyst": True}
    assert agreement_with_findings(own, findings) == [1, 2, 2]
    assert agreement_with_findings(own, {"kidney_tumor": True}) == [1, 1, 1]  # nobody looked for ascites


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"liver: volume [\d.e+]{1,6} (ml|nm3), mean -?\d{1,3}", fullmatch=True))
def test_whatever_a_model_writes_can_be_read(text: str) -> None:
    parse_report(text)


def test_scores_of_studies() -> None:
    mass, ascites = "FINDINGS:\nA 5.9 cm right renal mass.", "FINDINGS:\nA small amount of ascites."
    references = [Reference("a", mass, {"kidney_tumor": True, "ascites": False}), Reference("b", ascites, {})]
    right = score_reports([mass, ascites], references)
    assert all(right[name].value == 1 for name in ("BLEU-1", "ROUGE-L", "facts: F1", "manifest findings: F1"))
    assert right["facts: F1"].interval95 == (1, 1)
    same = score_reports([mass, mass], references)
    assert same["facts: precision"].value == same["facts: recall"].value == 0.5
    assert same["facts: F1"].interval95 == (0, 1)
    nothing = score_reports(["", ""], references)
    assert np.isnan(nothing["facts: precision"].value) and nothing["facts: recall"].value == 0
    assert nothing["BLEU-1"].value == nothing["METEOR (exact, stem)"].value == nothing["CIDEr"].value == 0
    one = score_reports([mass], [Reference("a", mass, {})])
    assert one["ROUGE-L"].interval95 is None and np.isnan(one["CIDEr"].value)
    assert "manifest findings: F1" not in one
    head, *rows = scores_table({"model": right, "none": nothing})
    assert head == ["measure", "model", "none"]
    assert ["facts: precision", "1.000 [1.000, 1.000]", "-"] in rows


def test_the_most_typical_report() -> None:
    assert most_typical(["a b", "a b c", "a b", "the liver is large"]) == "a b"
    assert most_typical([".", "!"]) == "."

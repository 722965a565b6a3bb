"""Scores of written reports against references, with intervals that are bootstrapped by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.evaluate.bootstrap import drawn_subjects, interval
from vlp3d_core.evaluate.cider import cider
from vlp3d_core.evaluate.report_facts import agreement, agreement_with_findings, stated
from vlp3d_core.evaluate.report_words import ORDERS, bleu, bleu_counts, meteor, rouge_l, words_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One number over all studies.

    Attributes:
        value: NaN where it says nothing: precision where nothing was stated, CIDEr of a single study.
        interval95: bootstrap by subject; None with a single subject, or where `value` is NaN.
    """

    value: float
    interval95: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "interval95": self.interval95}


@dataclass(frozen=True)
class Reference:
    """What is true of a study.

    Attributes:
        subject: the patient.
        report: what somebody wrote.
        findings: name → whether the volume shows it; {} where nobody said.
    """

    subject: str
    report: str
    findings: Mapping[str, bool]


def score_reports(written: Sequence[str], references: Sequence[Reference]) -> dict[str, Score]:
    """All measures by name, in the order of a table.

    The facts are counted over all studies together, so that a study with many weighs more (micro average). How rare a
    phrase is, which CIDEr asks, is counted in these references, in the resamples too.
    """
    own, true = [words_of(text) for text in written], [words_of(r.report) for r in references]
    pairs = list(zip(own, true, strict=True))
    counts = np.array([bleu_counts(*pair) for pair in pairs])
    facts = [stated(text) for text in written]
    agreed = np.array([agreement(f, stated(r.report)) for f, r in zip(facts, references, strict=True)])
    kinds = np.array([agreement_with_findings(f, r.findings) for f, r in zip(facts, references, strict=True)])
    rouge = [rouge_l(text, r.report) for text, r in zip(written, references, strict=True)]
    measures: dict[str, tuple[Floats, Callable[[Floats], Floats]]] = {
        **{f"BLEU-{n}": (counts, partial(bleu, order=n)) for n in ORDERS},
        "ROUGE-L": (_for_mean(rouge), _mean),
        "METEOR (exact, stem)": (_for_mean([meteor(*pair) for pair in pairs]), _mean),
        "CIDEr": (_for_mean(cider(own, true)), _mean),
        **_agreements("facts", agreed),
    }
    if any(r.findings for r in references):
        measures |= _agreements("manifest findings", kinds)
    subjects = [r.subject for r in references]
    drawn = drawn_subjects(subjects) if len(set(subjects)) > 1 else None
    return {name: _score(table, value, drawn) for name, (table, value) in measures.items()}


def _score(table: Floats, value: Callable[[Floats], Floats], drawn: Floats | None) -> Score:
    whole = float(value(table.sum(axis=0, keepdims=True))[0])
    return Score(whole, interval(value(drawn @ table)) if drawn is not None and np.isfinite(whole) else None)


def _agreements(name: str, table: Floats) -> dict[str, tuple[Floats, Callable[[Floats], Floats]]]:
    """Precision, recall and F1 of rows of `agreement`."""
    return {
        f"{name}: precision": (table, lambda sums: _ratio(sums[:, 0], sums[:, 1])),
        f"{name}: recall": (table, lambda sums: _ratio(sums[:, 0], sums[:, 2])),
        f"{name}: F1": (table, lambda sums: _ratio(2 * sums[:, 0], sums[:, 1] + sums[:, 2])),
    }


def _for_mean(values: Sequence[float] | Floats) -> Floats:
    return np.stack([np.asarray(values, float), np.ones(len(values))], axis=1)


def _mean(sums: Floats) -> Floats:
    return _ratio(sums[:, 0], sums[:, 1])


def _ratio(part: Floats, whole: Floats) -> Floats:
    """NaN where there is nothing to take a part of."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def scores_table(columns: Mapping[str, Mapping[str, Score]]) -> list[list[str]]:
    """Rows of text, the head first: a measure, and what each of the columns reaches, with its interval."""
    names = list(next(iter(columns.values())))
    return [["measure", *columns], *([name, *(_cell(scores[name]) for scores in columns.values())] for name in names)]


def _cell(score: Score) -> str:
    if np.isnan(score.value):
        return "-"
    bounds = score.interval95
    return f"{score.value:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")

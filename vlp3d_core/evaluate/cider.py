"""CIDEr-D: how much a report shares with its reference, phrases that many references have counting little.

Vedantam, Zitnick, Parikh, "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, sections 3 and 4, for one
reference a study. Written here because the usual implementation (pycocoevalcap) comes with 100 MB of Java.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
SIGMA = 6.0
"""Of the Gaussian penalty on a difference in length, in words."""

Vector = dict[tuple[str, ...], float]


def cider(written: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """(N,): of each study, from 0 to 10. With fewer than two studies nothing is rare or common: NaN.

    Args:
        written, references: words of N reports.
    """
    if len(references) < 2:
        return np.full(len(references), np.nan)
    grams = [_counts(words) for words in references]
    # How many studies' references have it; a phrase that none has counts like one that one has.
    having = Counter(gram for counts in grams for of_length in counts for gram in of_length)
    rarity = {gram: math.log(len(references) / count) for gram, count in having.items()}
    unseen = math.log(len(references))
    out = [
        10 * _likeness(_counts(own), other, len(own) - len(words), rarity, unseen)
        for own, words, other in zip(written, references, grams, strict=True)
    ]
    return np.array(out)


def _counts(words: Sequence[str]) -> list[Counter[tuple[str, ...]]]:
    """How often each run of 1, 2, 3, 4 words occurs."""
    return [
        Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1)) for n in range(1, LONGEST + 1)
    ]


def _likeness(
    own: list[Counter[tuple[str, ...]]],
    other: list[Counter[tuple[str, ...]]],
    longer: int,
    rarity: Vector,
    unseen: float,
) -> float:
    """Mean over the lengths of the cosine of weighted counts, those of `own` clipped to those of `other`."""
    cosines = []
    for a, b in zip(own, other, strict=True):
        one = {gram: count * rarity.get(gram, unseen) for gram, count in a.items()}
        two = {gram: count * rarity[gram] for gram, count in b.items()}
        lengths = math.hypot(*one.values()) * math.hypot(*two.values())
        shared = sum(min(value, two[gram]) * two[gram] for gram, value in one.items() if gram in two)
        cosines.append(shared / lengths if lengths else 0.0)
    return math.exp(-(longer**2) / (2 * SIGMA**2)) * sum(cosines) / LONGEST

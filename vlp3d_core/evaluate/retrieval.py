"""Retrieval between reports and volumes over a fixed list of pairs.

Every query is ranked against all pairs. Reports that say the same (after `same_text`) are duplicates: any of their
volumes is right, so that chance twins are not counted as errors. Ranks begin at 1; ties count against the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from vlp3d_core.evaluate.bootstrap import interval, resampled_means

RECALL_AT = (1, 5, 10, 50, 100)
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Direction:
    """Scores of one direction.

    Attributes:
        ranks: of each query, from 1.
        recall: k → part of the queries whose rank is at most k.
        interval95: k → 95 % interval of that, bootstrap by subject.
        chance: k → recall of a random order.
        median_rank: of the queries.
    """

    ranks: NDArray[np.int64]
    recall: dict[int, float]
    interval95: dict[int, tuple[float, float] | None]
    chance: dict[int, float]
    median_rank: float

    def to_json(self) -> dict[str, Any]:
        """`recall@k`, `median_rank`, and by k the intervals and the chance."""
        return {
            **{f"recall@{k}": value for k, value in self.recall.items()},
            "median_rank": self.median_rank,
            "ci95": {f"recall@{k}": value for k, value in self.interval95.items()},
            "chance": {f"recall@{k}": value for k, value in self.chance.items()},
        }


def same_text(texts: Sequence[str]) -> NDArray[np.bool_]:
    """(N, N): whether two texts are the same but for case and white space."""
    plain = np.array([" ".join(text.lower().split()) for text in texts], dtype=object)
    equal: NDArray[np.bool_] = plain[:, None] == plain[None, :]
    return equal


def rank(
    queries: Vectors,
    answers: Vectors,
    right: NDArray[np.bool_],
    subjects: Sequence[str],
    allowed: NDArray[np.bool_] | None = None,
) -> Direction:
    """Score queries against answers by cosine.

    Args:
        queries, answers: (N, D) and (M, D), rows of length 1.
        right: (N, M), which answers are right; at least one a query.
        subjects: of each query.
        allowed: (N, M), which answers count at all; None is all.
    """
    allowed = np.ones_like(right) if allowed is None else allowed
    similarity = queries @ answers.T
    best = np.where(right & allowed, similarity, -np.inf).max(axis=1)
    ranks: NDArray[np.int64] = 1 + ((similarity >= best[:, None]) & ~right & allowed).sum(axis=1)
    hits = np.stack([ranks <= k for k in RECALL_AT], axis=1).astype(float)
    samples = resampled_means(hits, subjects)
    return Direction(
        ranks,
        {k: float(mean) for k, mean in zip(RECALL_AT, hits.mean(axis=0), strict=True)},
        {k: interval(samples[:, n]) for n, k in enumerate(RECALL_AT)},
        {k: _chance((right & allowed).sum(axis=1), allowed.sum(axis=1), k) for k in RECALL_AT},
        float(np.median(ranks)),
    )


def _chance(right: NDArray[np.int64], of: NDArray[np.int64], k: int) -> float:
    """How often a random order has one of so many right answers among its first k."""
    none = np.ones(len(right))
    for drawn in range(k):
        none *= np.clip((of - right - drawn) / np.maximum(of - drawn, 1), 0, 1)
    return float(np.mean(1 - none))


def retrieval(
    images: Vectors,
    texts: Vectors,
    reports: Sequence[str],
    subjects: Sequence[str],
    likeness: NDArray[np.floating[Any]],
) -> dict[str, Direction]:
    """Text to image, image to text, and image to image.

    Args:
        images, texts: (N, D), rows of length 1; row n of both is one study.
        reports: of the studies, for the duplicates rule.
        subjects: of the studies.
        likeness: (N, N), how much two studies are alike; where volumes are searched by a volume, the most alike other
            one is the right answer.
    """
    right = same_text(reports)
    others = ~np.eye(len(images), dtype=bool)
    alike = np.where(others, likeness, -np.inf)
    nearest = (alike == alike.max(axis=1, keepdims=True)) & others
    return {
        "text_to_image": rank(texts, images, right, subjects),
        "image_to_text": rank(images, texts, right, subjects),
        "image_to_image": rank(images, images, nearest, subjects, others),
    }


def retrieval_loss(images: Vectors, texts: Vectors, reports: Sequence[str], temperature: float) -> float:
    """Cross-entropy in nats of finding the right one among all pairs, the mean of both directions.

    InfoNCE over the whole split instead of a batch: -log of the probability that a softmax over the cosines gives to
    the right answers, duplicates (`same_text`) together. Where all cosines are alike and no report occurs twice it is
    log N. Unlike recall it says of every query how far off it is, not only whether it is among the first k.

    Args:
        images, texts: (N, D), rows of length 1; row n of both is one study.
        temperature: that the cosines are divided by.
    """
    logits = (texts.astype(np.float64) @ images.T) / temperature
    right = np.where(same_text(reports), 0.0, -np.inf)
    both = [logsumexp(s, axis=1) - logsumexp(s + right, axis=1) for s in (logits, logits.T)]
    return float(np.mean(both))


def likeness_of_sets(sets: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """(N, N) Jaccard index of what is said of the studies; two that say nothing are wholly alike."""
    names = sorted(set().union(*sets))
    table = np.array([[name in row for name in names] for row in sets], float).reshape(len(sets), len(names))
    both = table @ table.T
    either = table.sum(axis=1)[:, None] + table.sum(axis=1)[None, :] - both
    index: NDArray[np.float64] = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    return index

"""A few searches of a run to look at: which volumes a report finds, and which reports a volume finds."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.evaluate.retrieval import Vectors, same_text

EDGE = 96
"""Longer side of a picture on the page, in CSS pixels."""


@dataclass(frozen=True)
class Picture:
    """The middle slices of what the network saw: data URI of a PNG, with its size on the page."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Study:
    """One volume with its report."""

    subject: str
    report: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Answer:
    """One answer to a search: which study, its rank from 1, how alike (cosine), and whether it is right."""

    study: int
    rank: int
    cosine: float
    right: bool


@dataclass(frozen=True)
class Search:
    """A query, which is a study's report or volume, with its nearest answers and the first right one."""

    query: int
    answers: tuple[Answer, ...]


def searches(queries: Vectors, answers: Vectors, reports: Sequence[str], show: int = 4, most: int = 4) -> list[Search]:
    """Evenly spaced queries, each with its `most` nearest answers and, if that is none of them, the first right one.

    Args:
        queries, answers: (N, D), rows of length 1; row n of both is study n.
        reports: of the studies; the same words make another study right, too, as in `retrieval`.
    """
    right = same_text(reports)
    found = []
    for query in np.unique(np.linspace(0, len(queries) - 1, min(show, len(queries))).round().astype(int)).tolist():
        cosine = answers @ queries[query]
        order = np.argsort(-cosine, kind="stable").tolist()
        ranked = [Answer(n, place, float(cosine[n]), bool(right[query, n])) for place, n in enumerate(order, 1)]
        first = next(answer for answer in ranked if answer.right)
        shown = ranked[:most] + ([first] if first.rank > most else [])
        found.append(Search(query, tuple(shown)))
    return found


def pictures(crop: NDArray[np.floating[Any]], spacing: Sequence[float]) -> tuple[Picture, ...]:
    """Axial and coronal middle slice of (I, J, K) intensities in [-1, 1] along R, A, S; the patient's right is left."""
    i, j, k = crop.shape
    r, a, s = spacing
    axial = crop[::-1, ::-1, k // 2].T
    coronal = crop[::-1, j // 2, ::-1].T
    return _picture(axial, i * r, j * a), _picture(coronal, i * r, k * s)


def _picture(plane: NDArray[np.floating[Any]], width: float, height: float) -> Picture:
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.asarray(plane, np.float32), cmap="gray", vmin=-1, vmax=1, format="png")
    scale = EDGE / max(width, height)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(uri, max(1, round(width * scale)), max(1, round(height * scale)))

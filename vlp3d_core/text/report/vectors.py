"""Reports as vectors of their sentences, from the frozen text tower."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.report.sentences import split_sentences

MOST = 32
"""Sentences of a report that are used, as MG-3D has it; the rest is left out."""


def report_vectors(reports: Sequence[str], encoder: TextEncoder) -> list[NDArray[np.float32]]:
    """One (S, T) array a report, S of 1 to `MOST`; a heading alone is no sentence. Equal sentences are encoded once."""
    split = [report_sentences(report) for report in reports]
    unique = sorted({sentence for sentences in split for sentence in sentences})
    vectors = dict(zip(unique, encoder.encode(unique), strict=True))
    return [np.stack([vectors[s] for s in sentences]) for sentences in split]


def report_sentences(report: str) -> list[str]:
    """The sentences of a report that are used, one at least."""
    found = [s for s in split_sentences(report) if not s.endswith(":")]
    return found[:MOST] or [report.strip() or "-"]

"""A basis in which texts of different concepts lie apart: linear discriminant analysis of the text tower's vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from vlp3d_core.text.concepts import Concept
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.phrases import concept_phrases

PER_NAME = 3
SHRINKAGE = 0.1
"""Part of the mean variance that is added to every direction, so that directions without any do not blow up."""


def text_basis(concepts: Iterable[Concept], encoder: TextEncoder, rank: int) -> Tensor:
    """The basis of `VisionLanguageModel`, from the phrasings of all concepts, not only of those to be trained.

    Returns:
        (T, rank), float32. Over all concepts t @ basis has unit variance in every component; the components are those
        in which concepts differ most, compared with how much one concept's phrasings differ.
    """
    return discriminants([encoder.encode(concept_phrases(c, PER_NAME, 1, seed=0)[0]) for c in concepts], rank)


def discriminants(classes: list[NDArray[np.float32]], rank: int) -> Tensor:
    """Fisher's linear discriminants of classes of vectors, each (N, T), scaled to unit total variance."""
    centres = np.stack([c.astype(np.float64).mean(axis=0) for c in classes])
    mean = centres.mean(axis=0)
    inside = np.concatenate([c - centre for c, centre in zip(classes, centres, strict=True)])
    within = inside.T @ inside / len(inside)
    within += np.eye(len(within)) * np.trace(within) / len(within) * SHRINKAGE
    between = (centres - mean).T @ (centres - mean) / len(centres)
    ratio, vectors = eigh(between, within, subset_by_index=(len(within) - rank, len(within) - 1))
    basis = vectors[:, ::-1] / np.sqrt(np.maximum(ratio[::-1], 0) + 1)
    return torch.from_numpy(np.ascontiguousarray(basis)).float()

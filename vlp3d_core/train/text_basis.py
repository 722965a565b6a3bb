"""A basis in which texts of different concepts lie apart: linear discriminant analysis of the text tower's vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.linalg import eigh
from torch import Tensor

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.text.concepts import Concept
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.phrases import concept_phrases

PER_NAME = 3
SHRINKAGE = 0.1
"""Part of the mean variance that is added to every direction, so that directions without any do not blow up."""


def text_basis(concepts: Iterable[Concept], encoder: TextEncoder, rank: int) -> Tensor:
    """The basis of `VisionLanguageModel`, from the phrasings of all concepts, not only of those to be trained.

    What was computed before (13,000 phrases of all concepts: half a minute on a core) is kept in the user's cache.

    Returns:
        (T, rank), float32. Over all concepts t @ basis has unit variance in every component; the components are those
        in which concepts differ most, compared with how much one concept's phrasings differ.
    """
    phrases = [concept_phrases(c, PER_NAME, 1, seed=0)[0] for c in concepts]
    what = json.dumps([encoder.sha256, SHRINKAGE, rank, phrases])
    kept = cache_folder() / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):
        basis = load_file(kept)["basis"]
        if basis.shape == (encoder.dimension, rank):
            return basis
    basis = discriminants([encoder.encode(some) for some in phrases], rank)
    with suppress(OSError, MedVLPError):  # it is only slower without a cache
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as path:
            save_file({"basis": basis}, path)
    return basis


def cache_folder() -> Path:
    """Where bases are kept; they may be deleted at any time."""
    return user_cache_path("medvlp", appauthor=False) / "text-basis"


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

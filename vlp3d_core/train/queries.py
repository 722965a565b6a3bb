"""The words that ask for each structure, as text vectors: several phrasings to train on, one average to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.phrases import concept_phrases


@dataclass(frozen=True)
class QueryTexts:
    """Text vectors of the structures that a model is trained on.

    Attributes:
        prototypes: (K, T), the unit-length mean over a concept's phrasings.
        variants: one (N, T) array a concept.
    """

    prototypes: Tensor
    variants: tuple[Tensor, ...]

    def draw(self, generator: torch.Generator) -> Tensor:
        """(K, T): for each structure a random phrasing, or its prototype one time in three."""
        rows = []
        for prototype, variants in zip(self.prototypes, self.variants, strict=True):
            pick = int(torch.randint(len(variants) + len(variants) // 2, (1,), generator=generator))
            rows.append(variants[pick] if pick < len(variants) else prototype)
        return torch.stack(rows)


PER_NAME = 8
"""Phrasings per synonym: as many as the text tower itself was distilled on."""


def query_texts(names: Sequence[str], encoder: TextEncoder) -> QueryTexts:
    """Encode the training phrasings of each concept id."""
    known = concepts()
    variants = [encoder.encode(concept_phrases(known[name], PER_NAME, 1, seed=0)[0]) for name in names]
    means = np.stack([v.mean(axis=0) for v in variants])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return QueryTexts(torch.from_numpy(means), tuple(torch.from_numpy(v) for v in variants))

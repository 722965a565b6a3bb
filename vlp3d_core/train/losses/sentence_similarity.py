"""Sentences of different patients that say the same are soft links between their images (MG-3D's SSM)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vlp3d_core.train.losses.gather import gather, same_length

SAME, DIFFERENT = 0.9, 0.6


def sentence_similarity(features: Tensor, sentences: Tensor, mask: Tensor) -> Tensor:
    """`mean |P·(pos + neg) − G·pos|` over sentence pairs of different patients.

    G is the cosine of the sentences' own vectors (no gradient), pos is G ≥ 0.9, neg is G ≤ 0.6, P the cosine of the
    sentence-wise image features. Pairs in between say nothing.

    Args:
        features: (B, S, D), what the image answers to each sentence.
        sentences: (B, S, T), vectors from the frozen text encoder.
        mask: (B, S), 1 where there is a sentence.

    Returns:
        scalar; 0 where no pair counts.
    """
    features, sentences, mask = (same_length(x) for x in (features, sentences, mask))
    p, g = (gather(normalize(x.float(), dim=2)).flatten(0, 1) for x in (features, sentences.detach()))
    real = gather(mask).flatten() > 0
    patient = torch.arange(len(real), device=real.device) // mask.shape[1]
    counts = real[:, None] & real[None, :] & (patient[:, None] != patient[None, :])
    likeness, meant = p @ p.T, g @ g.T
    same, different = (meant >= SAME) & counts, (meant <= DIFFERENT) & counts
    used = same | different
    difference = (likeness - meant * same).abs() * used
    return difference.sum() / used.sum().clamp(min=1)

"""How far apart the words for alike structures lie."""

from __future__ import annotations

import torch

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.queries import query_texts
from vlp3d_core.train.text_basis import text_basis


def test_alike_structures_lie_apart_about_their_own_mean() -> None:
    encoder = TextEncoder.load()
    names = ("hippocampus_anterior", "hippocampus_posterior")
    texts = query_texts(names, encoder)
    basis = text_basis(
        [concepts()[n] for n in (*names, "brainstem", "mandible", "liver", "spleen", "aorta")], encoder, 6
    )
    assert basis.shape == (384, 6)
    raw = torch.cosine_similarity(texts.prototypes[0], texts.prototypes[1], dim=0)
    anterior, posterior = (texts.prototypes - texts.prototypes.mean(0)) @ basis
    assert raw > 0.95 and torch.cosine_similarity(anterior, posterior, dim=0) < -0.99
    spread = [((v - texts.prototypes.mean(0)) @ basis).std(0).norm() for v in texts.variants]
    assert (anterior - posterior).norm() > max(spread), "phrasings of one structure are nearer than the two structures"

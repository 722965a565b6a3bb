"""How far apart the words for alike structures lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train import text_basis as module
from vlp3d_core.train.queries import query_texts
from vlp3d_core.train.text_basis import text_basis


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(module, "cache_folder", lambda: folder)
    return folder


def test_a_basis_is_computed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TextEncoder.load()
    some = [concepts()[n] for n in ("liver", "spleen", "aorta", "brainstem")]
    first = text_basis(some, encoder, 3)
    (kept,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(TextEncoder, "encode", None)
        torch.testing.assert_close(text_basis(some, encoder, 3), first, rtol=0, atol=0)
    assert text_basis(some, encoder, 2).shape == (384, 2) and text_basis(some[:3], encoder, 2).shape == (384, 2)
    assert len(list(cache.iterdir())) == 3
    kept.write_bytes(b"half a file")
    torch.testing.assert_close(text_basis(some, encoder, 3), first)


def test_no_cache_is_no_error(cache: Path) -> None:
    cache.write_bytes(b"a file where a folder should be")
    assert text_basis([concepts()[n] for n in ("liver", "spleen", "aorta")], TextEncoder.load(), 2).shape == (384, 2)


def test_alike_structures_lie_apart_about_their_own_mean(cache: Path) -> None:
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

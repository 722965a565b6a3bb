"""Masked words, masked voxels and linked sentences: by hand, against float64, on toys and their controls."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.masking import IGNORED, WordMasker
from vlp3d_core.train.losses.masked import hide_blocks, masked_image, masked_language, sentence_alignment
from vlp3d_core.train.losses.sentence_similarity import sentence_similarity

SENTENCES = [
    "There are two solid pulmonary nodules in the upper lobe of the left lung.",
    "Hepatomegaly.",
    "No cholelithiasis or nephrolithiasis is seen, and the spleen is of normal size and density.",
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def masker() -> WordMasker:
    return WordMasker(TextEncoder.load())


def test_whole_words_are_masked_and_one_a_sentence_at_least(masker: WordMasker) -> None:
    ids = torch.from_numpy(masker.tokens(SENTENCES))
    pieces = TextEncoder.load().tokenizer.convert_ids_to_tokens(range(masker.vocabulary))
    part = []
    for seed in range(60):
        masked = masker.mask(ids, generator(seed))
        hidden = masked.labels != IGNORED
        assert hidden.any(1).all()
        assert torch.equal(torch.where(hidden, masked.labels, masked.ids), ids), "what is hidden can be put back"
        for row, where in zip(ids.tolist(), hidden.tolist(), strict=True):
            for n in range(1, len(row)):
                if pieces[row[n]].startswith("##"):
                    assert where[n] == where[n - 1], "pieces of a word go together"
                if pieces[row[n]] in ("[CLS]", "[SEP]", "[PAD]"):
                    assert not where[n]
        part.append(hidden[[0, 2]].float().sum().item() / masked.real[[0, 2]].sum().item())
    assert 0.08 < np.mean(part) < 0.25
    assert torch.equal(masker.mask(ids, generator(1)).ids, masker.mask(ids, generator(1)).ids)


def test_states_are_those_of_the_tower(masker: WordMasker) -> None:
    ids = torch.from_numpy(masker.tokens(SENTENCES))
    real = (ids != 0).long()
    states = masker.states(ids, real) * real[..., None]
    mean = states.sum(1) / real.sum(1, keepdim=True)
    expected = TextEncoder.load().encode(SENTENCES)
    assert np.allclose(nn.functional.normalize(mean).numpy(), expected, atol=1e-4)


def test_masked_language_by_hand() -> None:
    logits = torch.zeros(1, 3, 5)
    logits[0, 1, 2] = 2.0
    labels = torch.tensor([[IGNORED, 2, IGNORED]])
    assert masked_language(logits, labels).item() == pytest.approx(math.log(math.exp(2) + 4) - 2)
    assert masked_language(torch.randn(2, 4, 7) * 0, torch.ones(2, 4).long()).item() == pytest.approx(math.log(7))


def test_sentence_alignment_by_hand() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]])
    assert sentence_alignment(a, b).item() == pytest.approx(0.5)
    target = b.clone().requires_grad_()
    assert not sentence_alignment(a.requires_grad_(), target).isnan() and target.grad is None


def test_masked_image_by_hand_and_in_float64() -> None:
    images, restored = torch.zeros(1, 1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), 3.0)
    hidden = torch.zeros_like(images).bool()
    assert masked_image(restored, images, hidden).item() == 0
    hidden[0, 0, 0] = True
    restored[0, 0, 1] = 99.0
    assert masked_image(restored, images, hidden).item() == pytest.approx(9.0), "only hidden voxels count"
    a, b = torch.randn(2, 2, 1, 4, 4, 4, generator=generator())
    where = torch.rand(a.shape, generator=generator(1)) < 0.5
    expected = (a.double() - b.double())[where].square().mean().item()
    assert masked_image(a, b, where).item() == pytest.approx(expected, rel=1e-5)


def test_half_of_the_blocks_are_hidden_whole() -> None:
    images = torch.rand(3, 1, 16, 8, 16, generator=generator()) + 0.1
    spoiled, hidden = hide_blocks(images, generator(2), 4)
    assert hidden.float().mean().item() == 0.5
    blocks = hidden.view(3, 4, 4, 2, 4, 4, 4).float().mean((2, 4, 6))
    assert set(blocks.flatten().tolist()) == {0.0, 1.0}
    assert (spoiled[hidden] == 0).all() and torch.equal(spoiled[~hidden], images[~hidden])


@pytest.mark.parametrize("shuffled", [False, True])
def test_hidden_voxels_are_learned_from_their_own_image_only(shuffled: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv3d(8, 1, 5, padding=2))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)

    def error(seed: int) -> tuple[torch.Tensor, float]:
        level = torch.rand(8, 1, 1, 1, 1, generator=generator(seed)) * 2 - 1
        images = level.expand(8, 1, 8, 8, 8)
        spoiled, hidden = hide_blocks(images.roll(1, 0) if shuffled else images, generator(seed), 2)
        return masked_image(net(spoiled), images, hidden), float((images * hidden).square().sum() / hidden.sum())

    for step in range(120):
        loss, _ = error(step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        left, nothing = (np.mean(v) for v in zip(*((float(a), b) for a, b in map(error, range(900, 920))), strict=True))
    assert (left > 0.85 * nothing) if shuffled else (left < 0.5 * nothing)


def test_sentence_similarity_by_hand() -> None:
    """Two patients, one sentence each that says the same: P should be 1; where they differ, P should be 0."""
    same, other = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]]), torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    mask = torch.ones(2, 1)
    aligned, orthogonal = same * 3, other
    assert sentence_similarity(aligned, same, mask).item() == pytest.approx(0)
    assert sentence_similarity(orthogonal, same, mask).item() == pytest.approx(1)
    assert sentence_similarity(aligned, other, mask).item() == pytest.approx(1)
    assert sentence_similarity(orthogonal, other, mask).item() == pytest.approx(0)
    assert sentence_similarity(aligned, same, torch.tensor([[1.0], [0.0]])).item() == 0, "padding says nothing"
    between = torch.tensor([[[1.0, 0.0]], [[0.75, math.sqrt(1 - 0.75**2)]]])
    assert sentence_similarity(aligned, between, mask).item() == 0, "neither the same nor different"


def test_sentence_similarity_in_float64() -> None:
    rng = np.random.default_rng(3)
    f, t = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 4, 6))
    t[1, 2] = t[0, 1] * 2
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]], float)
    terms = []
    for i, j in [(i, j) for i in range(3) for j in range(3) if i != j]:
        for s, u in [(s, u) for s in range(4) for u in range(4) if mask[i, s] and mask[j, u]]:
            g = t[i, s] @ t[j, u] / np.linalg.norm(t[i, s]) / np.linalg.norm(t[j, u])
            p = f[i, s] @ f[j, u] / np.linalg.norm(f[i, s]) / np.linalg.norm(f[j, u])
            if g >= 0.9 or g <= 0.6:
                terms.append(abs(p - g * (g >= 0.9)))
    found = sentence_similarity(*(torch.from_numpy(x).float() for x in (f, t, mask)))
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-4)

"""Spoiling and restoring: by hand, repeatable, learned from the image and not from nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vlp3d_core.model.fusion import Fusion, ImageAnswer
from vlp3d_core.train.losses.restoration import corrupt, restoration
from vlp3d_core.train.restorer import Restorer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(count: int, seed: int) -> torch.Tensor:
    low = torch.rand(count, 1, 4, 4, 4, generator=generator(seed)) * 2 - 1
    return nn.functional.interpolate(low, (16, 16, 16), mode="trilinear")


def test_the_mean_absolute_difference_by_hand() -> None:
    assert restoration(torch.tensor([1.0, -1.0, 0.5]), torch.tensor([0.0, -1.0, 0.0])).item() == pytest.approx(0.5)
    a, b = torch.randn(2, 40, generator=generator())
    assert restoration(a, b).item() == pytest.approx(float((a.double() - b.double()).abs().mean()), rel=1e-6)


def test_about_the_asked_part_is_spoiled_and_the_rest_is_left_alone() -> None:
    images = smooth(64, 1)
    spoiled = corrupt(images, generator(2))
    changed = (spoiled != images).float().mean().item()
    assert 0.3 < changed < 0.5
    assert (spoiled == 0).float().mean().item() == pytest.approx(0.4 / 3, abs=0.04), "masked"
    assert torch.equal(spoiled, corrupt(images, generator(2)))
    assert not torch.equal(spoiled, corrupt(images, generator(3)))
    assert torch.equal(corrupt(images, generator(2), part=0.0), images)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_toy_learns_to_restore_and_not_from_another_image(shuffled: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv3d(8, 1, 5, padding=2))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(80):
        images = smooth(8, step)
        source = images.roll(1, 0) if shuffled else images
        loss = restoration(net(corrupt(source, generator(step))), images)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    test = smooth(16, 999)
    source = test.roll(1, 0) if shuffled else test
    error = restoration(net(corrupt(source, generator(5))), test).item()
    plain = test.abs().mean().item()  # what answering 0 everywhere costs
    assert (error > 0.9 * plain) if shuffled else (error < 0.5 * plain)


def test_a_token_becomes_its_own_block() -> None:
    """Changing one token changes the voxels that it stands for and no others."""
    torch.manual_seed(0)
    restorer = Restorer(5, 4)
    tokens = torch.randn(2, 3 * 2 * 4, 5)
    before = restorer(tokens, (3, 2, 4))
    assert before.shape == (2, 1, 12, 8, 16)
    tokens[1, (2 * 2 + 1) * 4 + 3] += 1  # the token at (2, 1, 3)
    changed = (restorer(tokens, (3, 2, 4)) != before).nonzero()
    assert changed.amin(0).tolist() == [1, 0, 8, 4, 12] and changed.amax(0).tolist() == [1, 0, 11, 7, 15]


def test_fusion_sees_both_and_ignores_padding() -> None:
    torch.manual_seed(0)
    fusion = Fusion(6, 10, width=16)
    tokens, words = torch.randn(2, 12, 6), torch.randn(2, 4, 10)
    mask = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]])
    out = fusion(tokens, words, mask)
    assert out.shape == (2, 12, 16)
    other = words.clone()
    other[0, 2:] = 99.0
    assert torch.allclose(fusion(tokens, other, mask), out, atol=1e-5), "padding says nothing"
    other[0, 0] += 1
    assert not torch.allclose(fusion(tokens, other, mask)[0], out[0], atol=1e-3)
    assert not torch.allclose(fusion(tokens + 1, words, mask), out, atol=1e-3)


def test_an_answer_has_its_content_from_the_image_alone() -> None:
    torch.manual_seed(0)
    answer = ImageAnswer(6, 10, width=16)
    flat = torch.randn(2, 1, 6).expand(2, 12, 6)  # an image that is the same everywhere answers all questions alike
    one, other = (answer(flat, torch.randn(2, 4, 10)) for _ in range(2))
    assert torch.allclose(one, other, atol=1e-5) and torch.allclose(one[:, 0], one[:, 3], atol=1e-5)
    tokens = torch.randn(2, 12, 6)
    assert not torch.allclose(answer(tokens, torch.randn(2, 4, 10)), answer(tokens, torch.randn(2, 4, 10)), atol=1e-3)

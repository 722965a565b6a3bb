"""The loss over structures that are known, against numbers worked out by hand and a float64 reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vlp3d_core.train.losses.partial_segmentation import ENTROPY_WEIGHT, MISS_WEIGHT, partial_dice_bce


def batch(seed: int = 0, shape: tuple[int, ...] = (2, 3, 4, 5, 6)) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and a label map."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator) * 3
    return logits, torch.randint(0, shape[1] + 1, (shape[0], *shape[2:]), generator=generator)


def hot(label: torch.Tensor, structures: int = 3) -> torch.Tensor:
    """(B, *grid) → (B, K, *grid), 1 where the structure is."""
    values = torch.arange(1, structures + 1).view(1, -1, 1, 1, 1)
    return (label[:, None] == values).float()


def test_a_case_by_hand() -> None:
    # Two voxels, one structure, logits 0: p = 1/2 everywhere, one voxel is the structure.
    loss = partial_dice_bce(torch.zeros(1, 1, 2), torch.tensor([[1, 0]]), torch.ones(1, 1))
    dice = 1 - (2 * 0.5 + 1) / (1 + 1 + 1)
    assert float(loss) == pytest.approx((ENTROPY_WEIGHT + MISS_WEIGHT * 0.5**2) * math.log(2) + dice)


def test_float64_reference() -> None:
    logits, label = batch()
    known = torch.tensor([[1, 0, 1], [1, 0, 0]])
    entropy, dice, missed = [], [], []
    z, t, k = logits.double().numpy(), hot(label).double().numpy(), known.numpy()
    p = 1 / (1 + np.exp(-z))
    for structure in range(3):
        images = [b for b in range(2) if k[b, structure]]
        entropy += [
            -(np.log(np.where(t[b, structure] > 0, p[b, structure], 1 - p[b, structure]))).mean() for b in images
        ]
        if images:
            a, b = p[images, structure], t[images, structure]
            dice.append(1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1))
            missed.append((1 - a[b > 0].mean()) ** 2 * -np.log(a[b > 0]).mean())
    expected = ENTROPY_WEIGHT * np.mean(entropy) + MISS_WEIGHT * np.mean(missed) + np.mean(dice)
    assert float(partial_dice_bce(logits, label, known)) == pytest.approx(expected, rel=1e-5)


def test_what_is_unknown_changes_nothing_and_learns_nothing() -> None:
    logits, label = batch()
    logits.requires_grad_()
    known = torch.tensor([[1, 0, 1], [0, 0, 1]], dtype=torch.bool)
    loss = partial_dice_bce(logits, label, known)
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[~known].any(), "exactly zero"
    assert logits.grad[known].flatten(1).any(dim=1).all()
    other = torch.where(known[..., None, None, None], logits, -logits)
    drawn = torch.gather(known, 1, (label.flatten(1) - 1).clamp(min=0)).view_as(label)
    assert float(partial_dice_bce(other, torch.where(drawn, label, 0), known)) == pytest.approx(loss.item(), rel=1e-6)


def test_nothing_known_is_zero() -> None:
    logits, label = batch()
    logits.requires_grad_()
    loss = partial_dice_bce(logits, label, torch.zeros(2, 3))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None and not logits.grad.any()


def test_the_right_answer_is_best() -> None:
    _, label = batch()
    known = torch.ones(2, 3)
    right, wrong = (partial_dice_bce((2 * hot(label) - 1) * scale, label, known) for scale in (20.0, -20.0))
    assert right < 1e-2 < 1 < wrong


def test_a_structure_that_is_never_reported_is_still_pulled_up() -> None:
    """At a probability of 0.0003 everywhere, the pull on a structure of eight voxels does not fade any further."""
    label = torch.zeros(1, 32, 32, 32, dtype=torch.uint8)
    label[..., :2, :2, :2] = 1
    pulls = []
    for depth in (8.0, 16.0):
        logits = torch.full((1, 1, 32, 32, 32), -depth, requires_grad=True)
        partial_dice_bce(logits, label, torch.ones(1, 1)).backward()
        assert logits.grad is not None
        pulls.append(-float(logits.grad[:, 0][label > 0].sum()))
    assert pulls[0] > MISS_WEIGHT * 0.99 and pulls[1] > MISS_WEIGHT * 0.99


def test_a_structure_that_is_found_is_left_to_dice() -> None:
    _, label = batch()
    sure = (hot(label) * 2 - 1) * 6
    loss = partial_dice_bce(sure, label, torch.ones(2, 3))
    entropy = ENTROPY_WEIGHT * math.log1p(math.exp(-6))
    assert float(loss) - entropy < 0.01

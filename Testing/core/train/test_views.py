"""Views: repeatable, in range, never mirrored, and close to what they are views of."""

from __future__ import annotations

import torch

from vlp3d_core.train.views import view


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_balls() -> torch.Tensor:
    image = torch.full((4, 1, 24, 24, 24), -1.0)
    image[:, :, 4:9, 9:15, 9:15] = 0.9  # a bright one at low I
    image[:, :, 15:20, 9:15, 9:15] = 0.2
    return image


def test_the_same_generator_makes_the_same_view() -> None:
    image = two_balls()
    assert torch.equal(view(image, generator(3)), view(image, generator(3)))
    assert not torch.equal(view(image, generator(3)), view(image, generator(4)))
    assert torch.equal(image, two_balls()), "the batch itself stays as it is"


def test_range_and_shape() -> None:
    for seed in range(12):
        out = view(two_balls(), generator(seed))
        assert out.shape == (4, 1, 24, 24, 24) and torch.isfinite(out).all()
        assert out.min() >= -1 and out.max() <= 1


def test_sides_stay() -> None:
    """The brighter half stays at low I, whatever the pose: texts speak of left and right."""
    for seed in range(25):
        out = view(two_balls(), generator(seed)) + 1
        assert (out[:, :, :12].sum((1, 2, 3, 4)) > out[:, :, 12:].sum((1, 2, 3, 4))).all()


def test_what_lies_outside_is_air() -> None:
    """A view that looks beyond the image sees -1 there and not grey."""
    image = torch.full((8, 1, 16, 16, 16), -1.0)
    for seed in range(8):
        assert view(image, generator(seed)).mean() < -0.85

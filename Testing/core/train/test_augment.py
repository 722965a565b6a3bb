"""Augmentation: image and label move together, sides stay, and nothing but the item's number decides."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.train.augment import augment

SHAPES = st.tuples(*[st.integers(6, 16)] * 3)
SEEDS = st.integers(0, 10_000)


def generators(seed: int, count: int = 3) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + n) for n in range(count)]


def batch(shape: tuple[int, ...], seed: int = 0, count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.randint(0, 5, (count, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return (label[:, None].float() / 2 - 1), label


@settings(deadline=None, max_examples=40)
@given(shape=SHAPES, seed=SEEDS)
def test_ranges_types_and_values(shape: tuple[int, ...], seed: int) -> None:
    image, label = batch(shape, seed)
    label[label == 3] = 200  # a value that few types hold
    before = image.clone(), label.clone()
    out, values = augment(image, label, generators(seed))
    assert out.shape == image.shape and out.dtype == torch.float32 and torch.isfinite(out).all()
    assert out.abs().max() <= 1
    assert values.shape == label.shape and values.dtype == torch.uint8
    for own, given_ in zip(values, label, strict=True):
        assert set(own.unique().tolist()) <= set(given_.unique().tolist())
    assert torch.equal(image, before[0]) and torch.equal(label, before[1]), "the batch itself stays as it is"


@settings(deadline=None, max_examples=25)
@given(shape=SHAPES, seed=SEEDS)
def test_without_strength_nothing_changes(shape: tuple[int, ...], seed: int) -> None:
    image, label = batch(shape, seed)
    out, values = augment(image, label, generators(seed), strength=0.0)
    assert torch.allclose(out, image, atol=1e-4) and torch.equal(values, label)


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_each_patch_has_its_own_generator(seed: int) -> None:
    """A patch comes out the same alone and in any batch, so it does not matter which process it comes to."""
    image, label = batch((8, 10, 6), seed)
    out, values = augment(image, label, generators(seed))
    again, _ = augment(image, label, generators(seed))
    assert torch.equal(out, again)
    for n in range(3):
        alone = augment(image[n : n + 1], label[n : n + 1], generators(seed + n, 1))
        assert torch.allclose(alone[0][0], out[n], atol=1e-6) and torch.equal(alone[1][0], values[n])


def test_other_generators_make_other_patches() -> None:
    image, label = batch((8, 8, 8), count=1)
    made = {augment(image, label, generators(seed, 1))[0].sum().item() for seed in range(12)}
    assert len(made) > 9, "a few are left as they are"


def test_left_stays_left_and_the_label_stays_on_the_image() -> None:
    """A bright half at low I that is labelled 1 and a dark one that is labelled 2."""
    image = torch.full((8, 1, 24, 20, 16), -0.5)
    image[:, :, :12] = 0.5
    label = (2 - (image[:, 0] > 0).int()).to(torch.uint8)
    moved = 0
    for seed in range(0, 160, 8):
        out, values = augment(image, label, generators(seed, 8))
        for own, value in zip(out[:, 0], values, strict=True):
            low, high = ((value == v).nonzero()[:, 0].double().mean() for v in (1, 2))
            assert low + 6 < high
            middle = (own[value == 1].mean() + own[value == 2].mean()) / 2
            # Only at the seam may a voxel look like the other half: noise is below the step between them.
            assert ((own > middle) == (value == 1)).double().mean() > 0.93
        moved += sum(not torch.equal(value, label[0]) for value in values)
    assert 80 < moved < 140, "about seven in ten are turned or scaled"


def test_one_bright_voxel_moves_with_its_label() -> None:
    image = torch.full((1, 1, 17, 15, 13), -1.0)
    image[..., 11, 4, 8] = 1.0
    label = (image[:, 0] > 0).to(torch.uint8)
    checked = 0
    for seed in range(40):
        out, values = augment(image, label, generators(seed, 1))
        if values.any():  # a scaled image may step over a single voxel
            where = torch.nonzero(values[0]).double().mean(0)
            brightest = torch.nonzero(out[0, 0] == out.max()).double().mean(0)
            assert (where - brightest).abs().max() <= 1
            checked += 1
    assert checked > 30


def test_a_uniform_patch_stays_uniform_in_the_middle() -> None:
    """What a pose brings in is as the border is, and no blur mixes in what is no air."""
    image, label = torch.full((4, 1, 10, 10, 10), -1.0), torch.zeros(4, 10, 10, 10, dtype=torch.uint8)
    for seed in range(0, 80, 4):
        out, values = augment(image, label, generators(seed, 4))
        assert (out < -0.4).all() and not values.any()

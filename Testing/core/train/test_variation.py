"""Elastic deformation and contrast of labelled scans."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import max_pool3d

from vlp3d_core.errors import UsageError
from vlp3d_core.train.augment import augment
from vlp3d_core.train.variation import Variation, variation_of

SHAPE = (24, 20, 16)


def generators(seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


def two_boxes() -> tuple[torch.Tensor, torch.Tensor]:
    """Grey 0.2 and 0.4 in air."""
    label = torch.zeros(1, *SHAPE, dtype=torch.uint8)
    label[:, 3:11, 4:16, 3:13], label[:, 13:21, 4:16, 3:13] = 1, 2
    grey = torch.tensor([-1.0, 0.2, 0.4])
    return grey[label.long()][:, None], label


@pytest.mark.parametrize("seed", range(5))
def test_structures_change_their_grey_and_air_does_not(seed: int) -> None:
    image, label = two_boxes()
    new, same = augment(image, label, generators(seed), 0, Variation(contrast=0.2))
    assert torch.equal(same, label)
    away = max_pool3d(label.float(), 3, stride=1, padding=1) == 0  # a border shares in the grey of what it borders on
    assert float((new[:, 0][away] + 1).max()) < 1e-3
    inside = {value: new[0, 0][label[0] == value] - image[0, 0][label[0] == value] for value in (1, 2)}
    moves = [float(change.median()) for change in inside.values()]
    assert abs(moves[0] - moves[1]) > 1e-3 and max(map(abs, moves)) <= 0.4 + 1e-6


def test_image_and_labels_are_deformed_alike() -> None:
    image, label = two_boxes()
    new, moved = augment(image, label, generators(3), 0, Variation(spacing=(3, 3, 3), elastic=12))
    assert bool((moved != label).any())
    agree = ((new[:, 0] > -0.4) == (moved > 0)).float().mean()  # the same border, to half a voxel
    assert float(agree) > 0.97
    mean = [float(new[0, 0][moved[0] == value].median()) for value in (1, 2)]
    assert mean == pytest.approx([0.2, 0.4], abs=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_a_slab_is_a_few_slices_and_nothing_is_found_beyond(seed: int) -> None:
    image, label = two_boxes()
    image += 0.1  # air is seen, too, where slices are
    new, seen = augment(image, label, generators(seed), 0, Variation(slabs=1))
    shown = (new[0, 0] > -1).flatten(0, 1).any(0)
    assert 2 <= int(shown.sum()) <= SHAPE[2] // 2 and bool((shown.int().diff() != 0).sum() <= 2), "one block of slices"
    assert torch.allclose(new[..., shown], image[..., shown], atol=1e-3) and torch.equal(
        seen[..., shown], label[..., shown]
    )
    assert not bool(seen[..., ~shown].any())


def test_slabs_are_as_frequent_as_asked_and_fit_any_crop() -> None:
    image, label = two_boxes()
    thin = [augment(image + 0.1, label, generators(n), 0, Variation(slabs=0.3))[0].min() < -0.95 for n in range(60)]
    assert 8 < sum(map(bool, thin)) < 30
    one = augment(image[..., :1], label[..., :1], generators(0), 0, Variation(slabs=1))
    assert one[1].shape == (*label.shape[:3], 1)


def test_without_a_variation_nothing_is_drawn_for_it() -> None:
    image, label = two_boxes()
    plain, other = (
        augment(image, label, generators(1), 1.0, v)[0] for v in (Variation(), Variation(spacing=(2, 2, 2)))
    )
    assert torch.equal(plain, other)


@pytest.mark.parametrize(
    "values", [{"elastic": -1}, {"contrast": -0.1}, {"slabs": 2}, {"bend": 1}, {"elastic": "much"}]
)
def test_a_setting_without_sense(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"variation|elastic|contrast|slabs"):
        variation_of(values, (1, 1, 1))

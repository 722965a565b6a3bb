"""Patches: cut exactly, mirrored with their names, drawn evenly, and the same whoever draws them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from vlp3d_core.train.data import IMAGE, LABEL, PatchDataset
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.mirror import mirror_pairs
from vlp3d_core.train.store import Stored
from vlp3d_core.volume.cut import cut

PAIRS = {1: 2, 2: 1}


def stored(label: np.ndarray, known: tuple[bool, ...] = (True, True, True), name: str = "case") -> Stored:
    image = (label / 4 - 0.5).astype(np.float16)
    return Stored(Case(Path(name), name, "train"), image, label.astype(np.uint8), np.array(known))


def three_boxes(shape: tuple[int, int, int] = (20, 18, 16)) -> np.ndarray:
    label = np.zeros(shape, np.uint8)
    label[2:5, 3:6, 3:6] = 1
    label[14:17, 3:6, 3:6] = 2
    label[9:10, 14:15, 12:13] = 3
    return label


@settings(deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    centre=st.tuples(*[st.integers(-9, 14)] * 3),
    size=st.tuples(*[st.integers(1, 7)] * 3),
)
def test_cut_agrees_with_padding(shape: Any, centre: Any, size: Any) -> None:
    array = np.arange(1, 1 + np.prod(shape), dtype=np.int32).reshape(shape)
    patch = cut(array, np.array(centre), size, -1)
    padded = np.pad(array, 30, constant_values=-1)
    first = [c - s // 2 + 30 for c, s in zip(centre, size, strict=True)]
    expected = padded[tuple(slice(f, f + s) for f, s in zip(first, size, strict=True))]
    assert np.array_equal(patch, expected) and patch.dtype == array.dtype


def test_an_item_depends_on_seed_and_index_alone() -> None:
    one, two = (PatchDataset([stored(three_boxes())], (8, 8, 8), 10, PAIRS, seed=5) for _ in range(2))
    for index in (3, 0, 7):  # another order, other draws before
        two[index + 1]
        a, b = one[index], two[index]
        assert torch.equal(a[IMAGE], b[IMAGE]) and torch.equal(a[LABEL], b[LABEL])
    other = PatchDataset([stored(three_boxes())], (8, 8, 8), 10, PAIRS, seed=6)
    assert any(not torch.equal(one[n][IMAGE], other[n][IMAGE]) for n in range(3))


def test_workers_draw_the_same_patches() -> None:
    dataset = PatchDataset([stored(three_boxes())], (8, 8, 8), 6, PAIRS, seed=1)
    alone, helped = (list(DataLoader(dataset, 2, num_workers=n)) for n in (0, 2))
    assert len(alone) == 3
    for a, b in zip(alone, helped, strict=True):
        assert torch.equal(a[IMAGE], b[IMAGE]) and torch.equal(a[LABEL], b[LABEL])


def test_shapes_and_ranges() -> None:
    item = PatchDataset([stored(three_boxes())], (8, 6, 10), 1, PAIRS, seed=0)[0]
    assert item[IMAGE].shape == (1, 8, 6, 10) and item[IMAGE].dtype == torch.float32
    assert item[LABEL].shape == (8, 6, 10) and item[LABEL].dtype == torch.uint8
    assert item[IMAGE].abs().max() <= 1 and set(item[LABEL].unique().tolist()) <= {0, 1, 2, 3}


def test_a_mirror_exchanges_left_and_right_and_what_is_known_of_them() -> None:
    """Structure 1 lies at low R, 2 at high R; in a mirrored patch that holds both, 1 is still at low R."""
    label = three_boxes()
    dataset = PatchDataset([stored(label, (True, False, True))], (40, 40, 40), 40, PAIRS, seed=0)
    seen = set()
    for index in range(40):
        item = dataset[index]
        place = [torch.nonzero(item[LABEL] == value)[:, 0].double().mean() for value in (1, 2)]
        assert place[0] < place[1]
        # Brightness tells the original structure: label / 4 - 0.5.
        mirrored = item[IMAGE][0][item[LABEL] == 1].mean().item() == pytest.approx(0.0)
        assert item["known"].tolist() == ([False, True, True] if mirrored else [True, False, True])
        seen.add(mirrored)
    assert seen == {True, False}


def test_a_mirror_hides_a_structure_whose_twin_the_model_lacks() -> None:
    dataset = PatchDataset([stored(three_boxes())], (40, 40, 40), 20, {1: 0}, seed=0)
    items = [dataset[index] for index in range(20)]
    states = {(bool((item[LABEL] == 1).any()), bool(item["known"][0])) for item in items}
    assert states == {(True, True), (False, False)}


def test_small_structures_are_drawn_as_often_as_large_ones() -> None:
    label = np.zeros((60, 20, 20), np.uint8)
    label[2:20, 2:18, 2:18] = 1
    label[55, 10, 10] = 2
    dataset = PatchDataset([stored(label, (True, True))], (18, 18, 18), 300, {}, seed=0)
    centred = [dataset._choose(np.random.default_rng((0, n)))[1][0] for n in range(300)]
    small = sum(place > 45 for place in centred)
    # 30 % are meant to be near the single voxel of structure 2, besides those from anywhere.
    assert 70 <= small <= 150


def test_volumes_without_structures_are_shown_too() -> None:
    cases = [stored(three_boxes()), stored(three_boxes()), stored(np.zeros((9, 9, 9)), name="empty")]
    dataset = PatchDataset(cases, (8, 8, 8), 300, PAIRS, seed=0)
    drawn = [dataset._choose(np.random.default_rng((0, n)))[0] for n in range(300)]
    assert 30 <= drawn.count(2) <= 90


def test_a_set_without_any_label_still_gives_patches() -> None:
    dataset = PatchDataset([stored(np.zeros((3, 4, 5)))], (8, 8, 8), 4, {}, seed=0)
    assert not dataset[0][LABEL].any()


def test_mirror_pairs() -> None:
    names = ("kidney_left", "liver", "kidney_right", "lung_upper_lobe_left", "spleen")
    assert mirror_pairs(names) == {1: 3, 3: 1, 4: 0}


def test_volumes_are_drawn_by_their_weights() -> None:
    cases = [stored(three_boxes()), stored(three_boxes())]
    cases[1] = replace(cases[1], case=replace(cases[1].case, subject="often", weight=9))
    dataset = PatchDataset(cases, (8, 8, 8), 300, PAIRS, seed=2)
    often = sum(dataset[index]["subject"] == "often" for index in range(300))
    assert 245 <= often <= 290  # of 300 with 9 in 10: mean 270, standard deviation 5

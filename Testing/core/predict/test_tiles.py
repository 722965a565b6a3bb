"""Tiles cover a volume once, and a network says the same of a voxel in a tile as in the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.model.vision_language import VisionLanguageModel
from vlp3d_core.predict.tiles import cut_tiles, smallest_tile

lengths = st.integers(1, 90)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(lengths, lengths, st.integers(1, 20)),
    size=st.tuples(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100)),
    halo=st.integers(0, 12),
    stride=st.sampled_from([1, 2, 4, 8, 16]),
)
def test_cores_cover_the_volume_once(
    shape: tuple[int, int, int], size: tuple[int, int, int], halo: int, stride: int
) -> None:
    hits = np.zeros(shape, np.uint8)
    least = smallest_tile(halo, stride)
    for tile in cut_tiles(shape, size, halo, stride):
        hits[tile.core] += 1
        for axis, (read, core, inside) in enumerate(zip(tile.read, tile.core, tile.inside, strict=True)):
            padded = -(-shape[axis] // stride) * stride
            assert read.start % stride == 0 and (read.stop - read.start) % stride == 0
            assert read.start >= 0 and read.stop <= padded
            assert read.stop - read.start <= max(size[axis], least)
            assert (inside.start, inside.stop) == (core.start - read.start, core.stop - read.start)
            # The halo is there, except where the volume ends.
            assert core.start - read.start >= halo or read.start == core.start == 0
            assert read.stop - core.stop >= halo or read.stop == padded
    assert (hits == 1).all()


def test_no_tile_is_larger_than_its_number_needs() -> None:
    tiles = cut_tiles((272, 208, 10), (160, 160, 160), 32, 16)
    edges = {tuple(s.stop - s.start for s in tile.read) for tile in tiles}
    assert len(tiles) == 3 * 2
    assert edges == {(144, 144, 16)}


@pytest.mark.parametrize("size", [(24, 24, 24), (32, 20, 24)])
def test_tiles_give_what_one_pass_gives(size: tuple[int, int, int]) -> None:
    """Two stages see 8 voxels around: with a halo of that width the cut must not show."""
    torch.manual_seed(3)
    network = VisionLanguageModel("residual-unet", {"channels": [4, 8]}, dimension=3, text_dimension=4).eval()
    image = torch.randn(1, 1, 44, 30, 26)
    with torch.inference_mode():
        whole = network.embed(image)[0]
        seen = torch.full_like(whole, torch.nan)
        for tile in cut_tiles(image.shape[2:], size, 8, network.stride):
            part = network.embed(image[(slice(None), slice(None), *tile.read)])[0]
            seen[(slice(None), *tile.core)] = part[(slice(None), *tile.inside)]
    torch.testing.assert_close(seen, whole, rtol=0, atol=1e-5)

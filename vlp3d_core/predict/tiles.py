"""Tiles with a halo: each voxel is decided once, by the tile that sees enough around it, and nothing is blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Tile:
    """One piece of work for the network.

    Attributes:
        read: what the network sees, in voxels of the padded volume; edges are multiples of the network's stride.
        core: what this tile decides, in voxels of the volume; the cores of all tiles cover it without overlap.
        inside: the core, in voxels of the tile.
    """

    read: Slices
    core: Slices
    inside: Slices


def smallest_tile(halo: int, stride: int) -> int:
    """The smallest edge of a tile that is one of several along an axis: two halos and something to decide."""
    return 2 * _round_up(halo, stride) + stride


def cut_tiles(shape: Sequence[int], size: Sequence[int], halo: int, stride: int) -> list[Tile]:
    """Tiles that cover a volume, as few along each axis as `size` allows, and no larger than that many need.

    Tiles start at multiples of `stride`, so that strided convolutions are in the same phase in every tile. With a
    halo as wide as the network's receptive field the result is that of one pass over the whole volume, exactly;
    a narrower halo gives up only context beyond it.

    Args:
        shape: of the volume.
        size: largest tile, halo included; rounded down to multiples of `stride`, but at least `smallest_tile`.
        halo: voxels around the core that are read and not decided; rounded up to a multiple of `stride`.
    """
    axes = [_cut_axis(n, s, _round_up(halo, stride), stride) for n, s in zip(shape, size, strict=True)]
    tiles = []
    for pieces in product(*axes):
        read, core = tuple(p[0] for p in pieces), tuple(p[1] for p in pieces)
        inside = tuple(slice(c.start - r.start, c.stop - r.start) for r, c in zip(read, core, strict=True))
        tiles.append(Tile(read, core, inside))  # type: ignore[arg-type]
    return tiles


def _cut_axis(n: int, size: int, halo: int, stride: int) -> list[tuple[slice, slice]]:
    """(read, core) of each tile along one axis."""
    padded = _round_up(n, stride)
    if padded <= size // stride * stride:
        return [(slice(0, padded), slice(0, n))]
    size = max(size // stride * stride, smallest_tile(halo, stride))
    count = max(1, -(-(padded - 2 * halo) // (size - 2 * halo)))
    size = _round_up(-(-(padded + (count - 1) * 2 * halo) // count), stride)
    starts = [n * stride for n in _spread((padded - size) // stride, count)]
    # The border between two neighbours lies in the middle of what both read.
    borders = [0] + [(a + size + b) // 2 for a, b in pairwise(starts)] + [n]
    return [
        (slice(start, start + size), slice(low, high))
        for start, low, high in zip(starts, borders[:-1], borders[1:], strict=True)
        if high > low
    ]


def _spread(length: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `length`, evenly."""
    return [i * length // (count - 1) for i in range(count)] if count > 1 else [0]


def _round_up(n: int, step: int) -> int:
    return -(-n // step) * step

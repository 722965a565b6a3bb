"""The image's way through the network: model grid, normalisation, tiles, voxel embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.devices import Device
from vlp3d_core.model.estimate import Network
from vlp3d_core.predict.tiles import Tile, cut_tiles
from vlp3d_core.progress import Cancel, Progress, check, never
from vlp3d_core.volume.foreground import AIR, Slices, foreground_box
from vlp3d_core.volume.grid import Box, Grid, model_grid, nearest_axes
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.volume import Volume

HALO = 16
"""Voxels around what is asked for (a tile's core, a ROI) that the network reads as context."""


@dataclass(frozen=True)
class Prepared:
    """A volume as a model sees it.

    Attributes:
        image: float32, normalised, on `grid`, cut to what is not air.
        grid: the model grid of the cut.
    """

    image: NDArray[np.float32]
    grid: Grid


def grid_for(bundle: Bundle, volume: Volume, roi: Box | None = None) -> Grid:
    """The model grid for a volume, or for a ROI in it with the halo around that the network wants to see.

    Raises:
        UsageError: the ROI is empty or lies outside the volume.
    """
    grid = model_grid(Grid.of(volume), bundle.spacing, roi)
    if roi is None:
        return grid
    margin = [HALO * step for step in bundle.spacing]
    wide = [edge + margin[n // 2] * (-1 if n % 2 == 0 else 1) for n, edge in enumerate(roi)]
    return model_grid(Grid.of(volume), bundle.spacing, tuple(wide))  # type: ignore[arg-type]


def is_finer(volume: Volume, spacing: Sequence[float]) -> bool:
    """The volume has smaller voxels than a grid of that spacing along some axis, by more than rounding."""
    own = np.array(volume.spacing)[list(nearest_axes(volume.affine))]
    return bool((own < 0.99 * np.array(spacing)).any())


def prepare(bundle: Bundle, volume: Volume, grid: Grid, cancel: Cancel = never) -> Prepared | None:
    """Resample to the model grid, normalise, cut the air away; None when there is only air or a single value.

    Raises:
        MedVLPError: the volume holds NaN or infinite values (`read_volume` mends them).
    """
    normalisation = bundle.normalisation
    raw = resample(volume, grid, normalisation.fill).array
    check(cancel)
    low, high = float(raw.min()), float(raw.max())
    if not np.isfinite([low, high]).all():
        raise MedVLPError("The volume holds NaN or infinite values.", "Replace them by the value of air.")
    image = normalisation.apply(raw)
    del raw
    check(cancel)
    box = foreground_box(image) if low < high else None
    if box is None:
        return None
    return Prepared(np.ascontiguousarray(image[box]), cut_grid(grid, box))


def cut_grid(grid: Grid, box: Slices) -> Grid:
    """The grid of a crop."""
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box], float)
    i, j, k = (s.stop - s.start for s in box)
    return Grid((i, j, k), affine)


def embedded_tiles(
    network: Network,
    device: Device,
    image: NDArray[np.float32],
    size: tuple[int, int, int],
    progress: Progress,
    cancel: Cancel,
) -> Iterator[tuple[Tile, Tensor]]:
    """Tile by tile the embeddings of the tile's core, (D, *core), on the device. Tiles of air only are left out.

    The caller should let go of the embeddings before it asks for the next ones: they are as large as the tile.

    Raises:
        Cancelled: between two tiles or two layers, when `cancel` says so.
    """
    tiles = cut_tiles(image.shape, size, HALO, network.stride)
    for number, tile in enumerate(tiles):
        check(cancel)
        progress("encoding", number / len(tiles))
        patch = _read(image, tile)
        if patch.max() > AIR:
            yield tile, embed(network, device, patch, cancel)[(slice(None), *tile.inside)]
    check(cancel)
    progress("encoding", 1.0)


@contextmanager
def stoppable(network: nn.Module, cancel: Cancel) -> Iterator[None]:
    """While this lasts, a forward pass ends with `Cancelled` before its next layer when `cancel` says so.

    A tile takes seconds on a slow processor; a layer of it does not.
    """
    modules = [] if cancel is never else [m for m in network.modules() if not isinstance(m, torch.jit.ScriptModule)]
    layers = [m for m in modules if next(m.children(), None) is None]  # TorchScript has no layers to stop at
    hooks = [layer.register_forward_pre_hook(lambda *_: check(cancel)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def embed(network: Network, device: Device, patch: NDArray[np.float32], cancel: Cancel = never) -> Tensor:
    """(I, J, K), edges multiples of the network's stride → (D, I, J, K) in the device's number format."""
    x = torch.from_numpy(patch)[None, None].to(device.torch).contiguous(memory_format=torch.channels_last_3d)
    with stoppable(network, cancel), torch.autocast(device.kind, device.dtype, enabled=device.dtype != torch.float32):
        return network.embed(x)[0]


def _read(image: NDArray[np.float32], tile: Tile) -> NDArray[np.float32]:
    """What the tile reads; beyond the image there is air."""
    shape = tuple(s.stop - s.start for s in tile.read)
    part = image[tile.read]
    if part.shape == shape:
        return np.ascontiguousarray(part)
    out = np.full(shape, -1.0, np.float32)
    out[tuple(slice(0, n) for n in part.shape)] = part
    return out

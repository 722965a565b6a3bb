"""A model bundle with weights set by hand, and a toy head that it segments perfectly: instant and deterministic.

The network is real (a residual U-Net of two stages, read and run as any bundle is) but looks at one voxel at a time:
a structure is a band of HU. What lies between the bands (fat, −60 HU) is background. It tells left from right by HU
as well, so that its answers follow the data through any flip or rotation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vlp3d_core.model.bundle import Bundle, write_bundle
from vlp3d_core.model.vision_language import VisionLanguageModel
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.volume import Volume

BANDS: dict[str, tuple[float, float]] = {
    "trachea": (-950, -650),
    "parotid_gland_left": (-550, -350),
    "parotid_gland_right": (-300, -150),
    "brainstem": (10, 90),
    "spinal_cord": (130, 210),
    "mandible": (250, 450),
    "skull": (550, 1500),
}
"""Concept id → HU that the tiny model takes for it. Real air (−1000), fat and soft tissue below 10 HU are nothing."""

SPACING = (4.0, 4.0, 4.0)
FAT = -60.0
STEEPNESS = 400.0
NOTHING = 4.0
"""Minus the logit of a voxel outside every band."""

PLACES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "trachea": ((4, 20, -44), (8, 8, 20)),
    "parotid_gland_left": ((-44, 4, 4), (12, 16, 20)),
    "parotid_gland_right": ((44, 4, 8), (12, 12, 16)),
    "brainstem": ((0, -8, 36), (16, 12, 16)),
    "spinal_cord": ((-4, -28, -32), (8, 8, 32)),
    "mandible": ((8, 44, -8), (28, 8, 12)),
    "skull": ((0, -48, 44), (32, 8, 12)),
}
"""Concept id → centre and half edges in RAS mm of the box that shows it in the toy head."""

HEAD = (72.0, 72.0, 64.0)
"""Half edges of the box of fat that everything lies in, around the origin."""


def tiny_card(**changes: Any) -> dict[str, Any]:
    """The card of the tiny model without "format" and "weights"; `changes` replace top-level keys."""
    return {
        "name": "ct-tiny",
        "version": "1",
        "title": "Tiny CT",
        "description": "Bands of HU, for tests.",
        "licence": "Apache-2.0",
        "modality": "CT",
        "field": {"anchors": ["skull", "brainstem"]},
        "architecture": {
            "encoder": "residual-unet",
            "encoder_options": {"channels": [16, 16]},
            "dimension": 8,
            "text_dimension": 16,
        },
        "spacing": list(SPACING),
        "normalisation": {"kind": "window", "low": -1000, "high": 1000},
        "concepts": [{"id": name, "largest_component": True, "fill_holes": False} for name in BANDS],
        "data": [{"name": "none", "licence": "CC0"}],
        "recipe": {"command": "by hand", "seed": 0},
        "scores": {},
        "text_encoder": {"name": "text-tower", "sha256": "0" * 64},
        **changes,
    }


def write_tiny_bundle(folder: Path, **changes: Any) -> Bundle:
    """Write the tiny model's bundle into `folder`."""
    network, vectors = tiny_network()
    return write_bundle(folder, network, vectors, tiny_card(**changes))


def empty(network: nn.Module) -> None:
    """Convolutions that give nothing, and batch norms that change nothing: weights are then set by hand."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_var.fill_(1 - module.eps)  # type: ignore[union-attr, operator]
        elif isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.weight.zero_()


def tiny_network() -> tuple[VisionLanguageModel, torch.Tensor]:
    """The network in evaluation mode and one text vector per band (unit vectors)."""
    network = VisionLanguageModel("residual-unet", {"channels": [16, 16]}, dimension=8, text_dimension=16)
    with torch.no_grad():
        empty(network)
        # First stage: two hinges per band, max(0, x − low) and max(0, x − middle).
        first = network.encoder.stages[0]  # type: ignore[attr-defined]
        first.conv3.conv.weight.fill_(1.0)
        # The decoder passes the skip connection on (inputs 16 to 31 of its first convolution).
        block = network.decoder.stages[0].conv_block
        block.conv1.conv.weight[:, 16:, 1, 1, 1] = torch.eye(16)
        block.conv2.conv.weight[:, :, 1, 1, 1] = torch.eye(16)
        first.norm3.bias.fill_(-4.0)
        network.decoder.embed.bias.zero_()
        for n, (low, high) in enumerate(BANDS.values()):
            foot = NOTHING / STEEPNESS  # the logit starts at −NOTHING and reaches 0 at the band's edge
            first.norm3.bias[2 * n] = -(low / 1000 - foot)
            first.norm3.bias[2 * n + 1] = -(low + high) / 2000
            network.decoder.embed.weight[n, 2 * n] = STEEPNESS
            network.decoder.embed.weight[n, 2 * n + 1] = -2 * STEEPNESS
        # √T = 4 undoes the quarter: text vector n asks for embedding channel n.
        network.projection.weight.zero_()
        network.projection.weight[:8, :8] = torch.eye(8) / 4
        network.projection.bias.zero_()
        network.projection.bias[-1] = -NOTHING
    return network.eval(), torch.eye(len(BANDS), 16)


def toy_labels(grid: Grid) -> NDArray[np.uint8]:
    """Which box each voxel centre of a grid lies in: 0, or 1 + position of the concept in `BANDS`."""
    place = _coordinates(grid)
    labels = np.zeros(grid.shape, np.uint8)
    for value, name in enumerate(BANDS, 1):
        centre, half = PLACES[name]
        labels[_in_box(place, centre, half)] = value
    return labels


def toy_head(grid: Grid | None = None, modality: str = "CT") -> Volume:
    """The toy head sampled at the voxel centres of a grid; the usual one has 4 mm voxels and a little air around."""
    grid = grid or toy_grid()
    labels = toy_labels(grid)
    values = [FAT] + [float(np.clip((low + high) / 2, -1000, 900)) for low, high in BANDS.values()]
    array = np.array(values, np.float32)[labels]
    array[(labels == 0) & ~_in_box(_coordinates(grid), (0, 0, 0), HEAD)] = -1000
    return Volume(array, grid.affine, modality)


def toy_grid(spacing: tuple[float, float, float] = SPACING) -> Grid:
    """A grid along R, A and S that holds the toy head; no voxel centre lies on the border of a box at 4 mm."""
    step = np.array(spacing)
    count = np.ceil(np.array([168, 160, 152]) / step).astype(int)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -np.array([84, 80, 76]) + step / 2
    return Grid((int(count[0]), int(count[1]), int(count[2])), affine)


def _coordinates(grid: Grid) -> NDArray[np.float64]:
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    place: NDArray[np.float64] = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return place


def _in_box(
    place: NDArray[np.float64], centre: tuple[float, float, float], half: tuple[float, float, float]
) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (np.abs(place - np.array(centre)) < np.array(half)).all(axis=-1)
    return inside

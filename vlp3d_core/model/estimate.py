"""What a run will need, said before it starts: memory, time, and the tile that fits."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.affinity_model import AffinityModel
from vlp3d_core.model.closed_set import ClosedSetModel
from vlp3d_core.model.devices import Device
from vlp3d_core.model.encoders import parameters_in
from vlp3d_core.model.vision_language import VisionLanguageModel

Network = VisionLanguageModel | ClosedSetModel | AffinityModel

USUAL_VOXELS = {"cpu": 1_250_000, "cuda": 4_200_000, "mps": 4_200_000}
"""Largest tile by default. Larger ones share less of their work with their neighbours, but on a CPU this one keeps
the peak below three times the input even of a scan of 512×512×300."""
HEADROOM = 0.8
"""Part of the free memory that a run may plan with; the rest belongs to everything else on the machine."""
PROBE = 48
GRID_BYTES = 22
"""Per voxel of the model grid on the host: image, raw and normalised and cut (float32), answer (2 to 4), clean-up."""
INSTANCE_BYTES = 60
"""The same where instances are made: affinities, distances, fragments, the watershed's images; by their types."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs.

    Attributes:
        memory_bytes: peak on the device beyond what is in use now, an upper bound.
        free_bytes: free on the device (on the host for the CPU).
        tile: edges of the largest tile in voxels.
        reduced: the tile is smaller than usual because of memory.
        seconds: of the network, on this device, from a probe; 0 when no probe was made.
    """

    memory_bytes: int
    free_bytes: int
    tile: tuple[int, int, int]
    reduced: bool
    seconds: float = 0.0

    def note(self) -> str:
        """A sentence about the reduced tile."""
        size = "×".join(str(n) for n in self.tile)
        return f"The tile was reduced to {size} voxels because only {_size(self.free_bytes)} of memory are free."


def bytes_per_voxel(network: Network, device: Device) -> int:
    """Peak memory of a forward pass per voxel of a tile, an upper bound.

    The peak is at full resolution in the decoder: the skip, skip and upsampled map concatenated, the residual's
    input and output, and the convolution's workspace: 6 to 10 maps of the finest width measured on CPUs (bfloat16 and
    float32, varying from run to run), then the embeddings. `Testing/core/model/test_estimate.py` holds it against the
    measured peak.
    """
    maps = 12 * network.finest_channels
    return (maps + network.dimension) * device.dtype.itemsize + 8


def plan(
    network: Network,
    device: Device,
    shape: Sequence[int],
    least: int,
    input_bytes: int = 0,
    tile: int | None = None,
) -> Estimate:
    """Choose the tile for a volume of `shape` (model grid) and say what the run needs.

    Args:
        least: the smallest edge that a tile can have.
        input_bytes: size of the input volume as float32, which is in memory already; one copy of it (resampling) or
            its labels come on top.
        tile: largest edge that the user allows, on top of the usual limit.

    Raises:
        UsageError: `tile` is smaller than `least`.
        MedVLPError: not even the smallest tile fits.
    """
    if tile is not None and tile < least:
        raise UsageError(f"A tile of {tile} voxels is too small for this model.", f"Give {least} or more.")
    stride, free = network.stride, device.free_bytes()
    padded = [-(-n // stride) * stride for n in shape]
    if tile is not None:
        padded = [min(n, tile // stride * stride) for n in padded]
    grid_bytes = INSTANCE_BYTES if isinstance(network, AffinityModel) else GRID_BYTES
    fixed = grid_bytes * math.prod(shape) + input_bytes if device.kind == "cpu" else 4 * parameters_in(network)
    each = bytes_per_voxel(network, device)
    usual = edges = _edges(padded, USUAL_VOXELS[device.kind], least, stride)
    while edges is not None:
        need = fixed + each * math.prod(edges)
        if need <= HEADROOM * free:
            return Estimate(need, free, edges, edges != usual)
        edges = _edges(list(edges), math.prod(edges) - 1, least, stride)
    side = max(0.0, (HEADROOM * free - input_bytes - each * least**3) / grid_bytes) ** (1 / 3)
    fits = f"crop it with a ROI (about {side:.0f} voxels a side fit)" if side >= least else "crop it"
    raise MedVLPError(
        f"The volume ({'×'.join(map(str, shape))} voxels for this model) needs {_size(need)} of memory and "
        f"{_size(free)} are free on {device.kind}.",
        f"Close other programs, {fits}, or use another device.",
    )


def _edges(edges: Sequence[int], voxels: int, least: int, stride: int) -> tuple[int, int, int] | None:
    """The widest edge is shortened, again and again, until the tile has no more than `voxels`; None when it cannot."""
    out = list(edges)
    while math.prod(out) > voxels:
        widest = out.index(max(out))
        if out[widest] - stride < least:
            return None
        out[widest] -= stride
    return out[0], out[1], out[2]


def probe(network: Network, device: Device) -> float:
    """Seconds per voxel of this network on this device, from two small passes (the first one warms up)."""
    edge = -(-PROBE // network.stride) * network.stride
    x = torch.full((1, 1, edge, edge, edge), -0.5, device=device.torch)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        with torch.inference_mode(), torch.autocast(device.kind, device.dtype, enabled=device.dtype != torch.float32):
            network.embed(x).sum().item()
        seconds = time.perf_counter() - start
    return seconds / edge**3


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.0f} MB"

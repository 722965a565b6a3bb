"""The two pipelines that are compared: `LoadedModel.segment`, and MONAI's sliding window as people write it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vlp3d_core.model.vision_language import voxel_scores
from vlp3d_core.predict.encode import HALO
from vlp3d_core.predict.loaded import LoadedModel
from vlp3d_core.volume import Volume
from vlp3d_core.volume.grid import Grid, index_map, model_grid
from vlp3d_core.volume.resample import resample


class Timed:
    """A network that adds up how long it ran, and remembers how often and the largest window."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.seconds = 0.0
        self.calls = 0
        self.tile = (0, 0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        start = time.perf_counter()
        result = self.function(x)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        self.tile = max(self.tile, (x.shape[2], x.shape[3], x.shape[4]))
        return result


def ours(model: LoadedModel, volume: Volume) -> tuple[NDArray[Any], dict[str, Any]]:
    """`LoadedModel.segment`: labels on the native grid, and seconds."""
    network = model.ready.network
    timed = Timed(network.embed)
    network.embed = timed  # type: ignore[assignment, method-assign]
    start = time.perf_counter()
    result = model.segment(volume)
    total = time.perf_counter() - start
    del network.embed  # the method is back
    report = {
        "total": total,
        "network": timed.seconds,
        "windows": timed.calls,
        "tile": timed.tile,
        "stages": result.report["seconds"],
        "found": sum(s.found for s in result.segments),
    }
    return result.labels, report


def monai(model: LoadedModel, volume: Volume, tile: tuple[int, int, int]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Sliding window with Gaussian weights → logits of all classes → native grid class by class → argmax.

    It is given what it can be given: our resampling of the image (not counted as its time outside the network), the
    same number format and memory layout, and the product with the text queries counted as part of the network.
    Classes go to the native grid by MONAI's `SpatialResample` with its defaults, which is what `Invertd` runs; a
    running maximum stands for the argmax, because all classes on the native grid would need 8 GB. The same with
    PyTorch's bare `interpolate`, which people write who know that both grids are parallel, is timed beside it ("lean").

    Args:
        tile: edges of the window, the one that `ours` used; windows overlap by our two halos.
    """
    from monai.inferers import SlidingWindowInferer  # here, so that its import is not in our memory

    ready, grid = model.ready, model_grid(Grid.of(volume), model.bundle.spacing)
    device, queries = ready.device, ready.queries
    mixed = device.dtype != torch.float32

    def classify(x: Tensor) -> Tensor:
        with torch.autocast(device.kind, device.dtype, enabled=mixed):
            embeddings = ready.network.embed(x.contiguous(memory_format=torch.channels_last_3d))
        return voxel_scores(embeddings, queries)

    timed = Timed(classify)
    start = time.perf_counter()
    normalisation = model.bundle.normalisation
    image = np.ascontiguousarray(normalisation.apply(resample(volume, grid, normalisation.fill).array))
    prepared = time.perf_counter()
    inferer = SlidingWindowInferer(tile, overlap=[min(0.5, 2 * HALO / edge) for edge in tile], mode="gaussian")
    with torch.inference_mode():
        logits = inferer(torch.from_numpy(image)[None, None], timed)
        inferred = time.perf_counter()
        labels = _argmax(_spatial_resample(logits, volume, grid), volume.shape)
        end = time.perf_counter()
        _argmax(_interpolate(logits, volume, grid), volume.shape)
        lean = time.perf_counter() - end
    report = {
        "total": end - start,
        "network": timed.seconds,
        "windows": timed.calls,
        "tile": timed.tile,
        "stages": {
            "prepare": round(prepared - start, 3),
            "sliding window": round(inferred - prepared - timed.seconds, 3),
            "upsample and argmax": round(end - inferred, 3),
        },
        "lean": lean,
        "found": int(np.count_nonzero(np.bincount(labels.ravel())[1:])),
    }
    return labels, report


def _spatial_resample(logits: Tensor, volume: Volume, grid: Grid) -> Iterator[Tensor]:
    """Class by class the logits (1, K, *model grid) on the native grid, as MONAI inverts its own `Spacing`."""
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    resampler = SpatialResample(mode="bilinear", padding_mode="border")
    for scores in logits[0]:
        image = MetaTensor(scores[None], affine=torch.from_numpy(grid.affine))
        yield resampler(image, dst_affine=torch.from_numpy(volume.affine), spatial_size=volume.shape).as_tensor()[0]


def _interpolate(logits: Tensor, volume: Volume, grid: Grid) -> Iterator[Tensor]:
    """The same for parallel grids that cover the same field of view."""
    matrix = index_map(Grid.of(volume), grid)
    assert np.allclose(matrix[:3, :3], np.diag(np.diag(matrix[:3, :3])))
    for k in range(logits.shape[1]):
        yield functional.interpolate(logits[:, k : k + 1], size=volume.shape, mode="trilinear")[0, 0]


def _argmax(classes: Iterable[Tensor], shape: tuple[int, ...]) -> NDArray[Any]:
    """1 + number of the class with the highest score above 0, which is the background's."""
    best, labels = torch.zeros(shape), torch.zeros(shape, dtype=torch.uint8)
    for k, scores in enumerate(classes, 1):
        labels[scores > best] = k
        torch.maximum(best, scores, out=best)
    result: NDArray[Any] = labels.numpy()
    return result

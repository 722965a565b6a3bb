"""What the benchmarks run on: a large CT and a model with random weights that draws blobs.

The weights are random on purpose: speed and memory do not depend on what a network has learned, and a benchmark that
needs no trained model runs for any number of structures. What does matter is that its labels look like anatomy to
everything after the network: `make_bundle` makes them smooth and lets them cover a realistic part of the body.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlp3d_core.model.bundle import Bundle, write_bundle
from vlp3d_core.model.vision_language import VisionLanguageModel, voxel_scores
from vlp3d_core.phantom import make_phantom
from vlp3d_core.text.concepts import concepts
from vlp3d_core.volume import Volume
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.resample import resample

SEED = 20
SPACING = (1.5, 1.5, 1.5)
"""Of the model along R, A and S, in mm."""
WINDOW = Normalisation("window", -1000.0, 1000.0)
NATIVE_SPACING = (0.75, 0.75, 1.0)
LABELLED = 0.25
"""Part of the field of view that gets a label; TotalSegmentator's structures cover about that much of a trunk CT."""
PROBE_SPACING, PROBE_SIZE = (3.0, 3.0, 3.0), (128, 128, 64)
"""The phantom on which the random network is scaled: the whole width of a patient."""


def make_volume(shape: tuple[int, int, int]) -> Volume:
    """A trunk phantom of that shape at 0.75 × 0.75 × 1 mm with noise, in the memory layout of a NIfTI file.

    It is drawn at twice the spacing (drawing takes a second per million voxels) and interpolated.
    """
    half = tuple(-(-n // 2) for n in shape)
    drawn = make_phantom(SEED, "trunk", spacing=[2 * s for s in NATIVE_SPACING], size=half).volume
    affine = np.diag([*NATIVE_SPACING, 1.0])
    affine[:3, 3] = drawn.affine[:3, 3] - np.array(NATIVE_SPACING) / 2
    array = np.asfortranarray(resample(drawn, Grid(shape, affine), WINDOW.fill).array)
    rng = np.random.default_rng(SEED)
    for k in range(shape[2]):
        array[:, :, k] += 10 * rng.standard_normal(shape[:2], dtype=np.float32)
    return Volume(array, affine, "CT")


def make_bundle(folder: Path, structures: int, spacing: tuple[float, float, float] = SPACING) -> Bundle:
    """Write a model of the default architecture that knows the first `structures` structures of the concepts."""
    names = [c.id for c in concepts().values() if c.kind == "structure"][:structures]
    network, embeddings = _network()
    generator = torch.Generator().manual_seed(SEED)
    vectors = nn.functional.normalize(torch.randn(structures, 384, generator=generator), dim=1)
    _calibrate(network, vectors, embeddings)
    rules = {"largest_component": True, "fill_holes": True}
    card: dict[str, Any] = {
        "name": f"benchmark-{structures}",
        "version": "1",
        "title": f"{structures} random structures",
        "description": "Random weights, for benchmarks.",
        "licence": "Apache-2.0",
        "modality": "CT",
        "field": {"anchors": []},
        "architecture": {
            "encoder": "residual-unet",
            "encoder_options": {},
            "dimension": network.dimension,
            "text_dimension": 384,
        },
        "spacing": list(spacing),
        "normalisation": WINDOW.to_json(),
        "concepts": [{"id": name, **rules} for name in names],
        "data": [{"name": "none", "licence": "CC0-1.0"}],
        "recipe": {"command": "python -m Testing.benchmarks", "seed": SEED},
        "scores": {},
        "text_encoder": {"name": "text-tower", "sha256": "0" * 64},
    }
    return write_bundle(folder, network, vectors, card)


@cache
def _network() -> tuple[VisionLanguageModel, Tensor]:
    """The default architecture with a fixed seed, made smooth, and its embeddings (1, D, I, J, K) of the phantom."""
    torch.manual_seed(SEED)
    network = VisionLanguageModel()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    phantom = make_phantom(SEED, "trunk", spacing=PROBE_SPACING, size=PROBE_SIZE)
    image = torch.from_numpy(WINDOW.apply(phantom.volume.array))[None, None]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                # Random in channels, but a box filter in space: 27 unrelated weights draw checkerboards and noise.
                kernel = module.weight
                kernel.copy_(kernel.mean(dim=(2, 3, 4), keepdim=True).expand_as(kernel))
        for norm in norms:
            norm.momentum = None  # the statistics of this image, not a running mean that starts at 0 and 1
        network.train()
        network.embed(image)
        network.eval()
        return network, _whiten(network.decoder.embed, network.embed(image))


def _whiten(last: nn.Conv3d, embeddings: Tensor) -> Tensor:
    """Give the embeddings mean 0 and covariance 1, so that random queries share the voxels evenly."""
    flat = embeddings[0].flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    matrix = vectors / values.clamp(min=1e-3 * float(values.max())).sqrt() @ vectors.T
    mean = flat.mean(dim=1)
    last.weight.copy_((matrix @ last.weight.flatten(1)).view_as(last.weight))
    assert last.bias is not None
    last.bias.copy_(matrix @ (last.bias - mean))
    return (matrix @ (flat - mean[:, None])).view_as(embeddings)


def _calibrate(network: VisionLanguageModel, vectors: Tensor, embeddings: Tensor) -> None:
    """Shift all scores so that the best one is above 0 in the wanted part of the voxels."""
    with torch.no_grad():
        network.projection.bias.zero_()
        top = voxel_scores(embeddings, network.queries(vectors)).amax(dim=1).flatten()
        network.projection.bias[-1] = -top.kthvalue(int(top.numel() * (1 - LABELLED))).values

"""A model of affinities with weights set by hand, and a block of bricks that it takes apart perfectly.

As `tiny.py`: the network is real and looks at one voxel at a time. A dark voxel is cut off its predecessors, so that a
wall of one voxel belongs to the brick behind it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from Testing.core.tiny import empty, tiny_card
from vlp3d_core.model.affinity_model import AffinityModel
from vlp3d_core.model.bundle import Bundle, write_bundle
from vlp3d_core.volume.volume import Volume

NM8 = 8e-6
CUTS = ((0, 10, 18, 32), (0, 20, 36), (0, 14, 24))
"""Where the bricks begin along R, A and S, and where the last one ends: twelve bricks of twelve sizes."""
DARK, BRIGHT = 40.0, 180.0
SETTINGS: dict[str, Any] = {"threshold": 0.5, "smallest_voxels": 100}
BORDER: dict[str, Any] = {
    "instances": SETTINGS | {"border": "membrane"},
    "concepts": [{"id": "neurite"}, {"id": "membrane"}],
}
"""What the card of a model says that tells membranes too."""


def write_tiny_em(folder: Path, **changes: Any) -> Bundle:
    """Write the bundle into `folder`; `changes` replace top-level keys of its card."""
    card = tiny_card(
        name="em-tiny",
        title="Tiny EM",
        modality="EM",
        field={"anchors": []},
        architecture={"kind": "affinities", "encoder": "residual-unet", "encoder_options": {"channels": [16, 16]}},
        instances=SETTINGS,
        spacing=[NM8] * 3,
        normalisation={"kind": "window", "low": 0, "high": 200},
        concepts=[{"id": "neurite"}],
        text_encoder={"name": "none", "sha256": ""},
    )
    return write_bundle(folder, _network(), None, {**card, **changes})


def bricks() -> NDArray[np.int64]:
    """Which brick each voxel belongs to, from 1."""
    i, j, k = (np.searchsorted(cuts[1:-1], np.arange(cuts[-1]), side="right") for cuts in CUTS)
    return 1 + i[:, None, None] + 3 * j[:, None] + 6 * k


def brick_volume(spacing: float = NM8, modality: str = "EM") -> Volume:
    """The block as a microscope shows it, with an origin of its own."""
    labels = bricks()
    wall = np.zeros(labels.shape, bool)
    for axis in range(3):
        here = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        wall[here] |= np.diff(labels, axis=axis) != 0
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [100 * spacing, -50 * spacing, 7 * spacing]
    return Volume(np.where(wall, DARK, BRIGHT).astype(np.float32), affine, modality)


def _network() -> AffinityModel:
    network = AffinityModel("residual-unet", {"channels": [16, 16]})
    with torch.no_grad():
        empty(network)
        first = network.encoder.stages[0]  # type: ignore[attr-defined]
        first.conv3.conv.weight.fill_(1.0)
        first.norm3.bias.fill_(1.0)
        block = network.decoder.stages[0].conv_block
        block.conv1.conv.weight[:, 16:, 1, 1, 1] = torch.eye(16)
        block.conv2.conv.weight[:, :, 1, 1, 1] = torch.eye(16)
        network.decoder.embed.weight[:, 0] = 10.0
        network.decoder.embed.bias.fill_(-10.0)
    return network.eval()

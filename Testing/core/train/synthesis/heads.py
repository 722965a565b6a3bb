"""Maps of tissues to make images from: boxes within boxes, as tensors and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from vlp3d_core.train.manifest import Case
from vlp3d_core.train.synthesis.settings import Synthesis, synthesis_of

MR = {"kind": "percentile", "low": 1, "high": 99.5}
CT = {"kind": "window", "low": -350, "high": 650}
NAMES = {1: "mandible", 2: "parotid_gland_left", 3: "parotid_gland_right"}


def settings(**changes: Any) -> Synthesis:
    """Of MR at 2 mm."""
    made = synthesis_of({"look": "mr", **changes}, (2.0, 2.0, 2.0), CT if changes.get("look") == "ct" else MR)
    assert made is not None
    return made


def generators(seed: int, count: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + n) for n in range(count)]


def head(shape: tuple[int, int, int] = (30, 28, 26)) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, I, J, K) tissues 1 to 4 in air, and labels: 1 for tissue 2, 2 (at low I) and 3 (at high I) for tissue 3."""
    tissues, labels = torch.zeros(1, *shape, dtype=torch.uint8), torch.zeros(1, *shape, dtype=torch.uint8)
    tissues[:, 4:-4, 4:-4, 4:-4] = 1
    for value, tissue, (first, end) in ((2, 3, (6, 11)), (3, 3, (-11, -6)), (1, 2, (13, 17)), (0, 4, (12, 13))):
        box = (slice(None), slice(first, end), slice(9, 17), slice(8, 16))
        tissues[box], labels[box] = tissue, value
    return tissues, labels


def apart(image: torch.Tensor, label: torch.Tensor) -> float:
    """How far the middle of what is bright in an image lies from that of its label, in voxels along the worst axis."""
    weight = (image[0, 0] + 1).double()
    places = torch.stack(torch.meshgrid(*[torch.arange(n) for n in weight.shape], indexing="ij")).double()
    bright = (places * weight).flatten(1).sum(1) / weight.sum()
    named = (places * label[0]).flatten(1).sum(1) / label.sum()
    return float((bright - named).abs().max())


def write_heads(folder: Path, splits: tuple[str, ...] = ("train", "train", "validation")) -> list[Case]:
    """Maps of tissues and labels on disk at 10 mm, one a subject."""
    cases = []
    for number, split in enumerate(splits):
        tissues, labels = (array[0].numpy() for array in head((30 + number, 28, 26)))
        files = [folder / f"{number}-{kind}.nii.gz" for kind in ("tissues", "labels")]
        for file, array in zip(files, (tissues, labels), strict=True):
            nib.save(nib.Nifti1Image(np.asarray(array), np.diag([10.0, 10, 10, 1])), file)
        cases.append(Case(files[0], f"map-{number}", split, files[1], NAMES, None, "CT", made_from="tissues"))
    return cases

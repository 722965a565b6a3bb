"""Tiny volumes with findings that anybody sees, and an untrained pretraining run: instant, for tests of evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.pretrained import save_pretrained
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

SPACING = (10.0, 10.0, 10.0)
FIELD = (16, 16, 16)
NORMALISATION = {"kind": "window", "low": -1000, "high": 400}
OPTIONS = {"channels": [4, 8]}


def write_toys(folder: Path, count: int = 24) -> Path:
    """Bodies of 14³ voxels in air, in which a nodule is bright and ascites dark; of ascites not all is known.

    Returns:
        the manifest: 12 volumes for training, 6 for validation, 6 for the test.
    """
    cases = []
    for n in range(count):
        rng = np.random.default_rng(n)
        array = np.full((18, 18, 18), -1000, np.float32)
        array[2:16, 2:16, 2:16] = rng.normal(0, 30, (14, 14, 14))
        nodule, ascites = n % 2 == 0, n % 3 == 0
        if nodule:
            array[4:9, 4:9, 4:9] = 400
        if ascites:
            array[10:15, 10:15, 4:9] = -600
        path = folder / f"toy-{n}.nii.gz"
        write_volume(Volume(array, np.diag([10.0, 10.0, 10.0, 1.0]), "CT"), path)
        findings = {"lung_nodule": nodule} | ({} if n % 5 == 4 else {"ascites": ascites})
        split = ("train", "train", "validation", "test")[n * 4 // count]
        cases.append(Case(path, f"toy-{n}", split, modality="CT", findings=findings, report="There is a nodule."))
    manifest = folder / "toys.jsonl"
    write_manifest(cases, manifest)
    return manifest


def write_run(folder: Path) -> Path:
    """A pretraining run with random weights."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    encoder = TextEncoder.load()
    model = AlignmentModel("residual-unet", OPTIONS, encoder.dimension, 16)
    card = {
        "method": "gtgm",
        "architecture": {
            "encoder": "residual-unet",
            "encoder_options": OPTIONS,
            "text_dimension": encoder.dimension,
            "dimension": 16,
        },
        "modality": "CT",
        "spacing": list(SPACING),
        "field": list(FIELD),
        "normalisation": NORMALISATION,
        "text_encoder": {"name": "text-tower", "sha256": encoder.sha256},
    }
    save_pretrained(folder, model.state_dict(), card)
    return folder

"""A patient and a model for the benchmarks of the command line and of `find`: real ones where they are there."""

from __future__ import annotations

import os
from pathlib import Path

from Testing.benchmarks.material import make_bundle
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.registry import find_bundle
from vlp3d_core.phantom import make_phantom
from vlp3d_core.volume.write_image import write_volume

ROOT = Path(__file__).parents[2]


def patient_file(folder: Path) -> tuple[Path, str]:
    """A CT of the size of an openkbp patient, and what it is."""
    data = Path(os.environ.get("MEDVLP_DATA") or ROOT.parent / "shared" / "data")
    real = sorted((data / "openkbp").glob("pt_*_ct.nii.gz"))
    if real:
        return real[0], f"openkbp {real[0].name.removesuffix('_ct.nii.gz')}"
    path = folder / "patient.nii.gz"
    write_volume(make_phantom(7, "head-neck").volume, path)
    return path, "a head-neck phantom"


def model_bundle(folder: Path) -> Bundle:
    """The default model, or a random one where none is installed."""
    try:
        return find_bundle()
    except MedVLPError:
        random = folder / "bundle-patient"
        return make_bundle(random, 7, (3.0, 3.0, 3.0))

"""NIfTI label maps with a JSON file beside them that says what the values mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.volume.segmentation import UM3, Segment, Segmentation
from vlp3d_core.volume.volume import Volume

SCANNER = 1
"""NIfTI's code for "scanner coordinates" (RAS+ in mm)."""


def write_nifti(segmentation: Segmentation, path: Path) -> None:
    """Write `OUT.nii` or `OUT.nii.gz` and `OUT.json`; both appear, or none.

    Voxels are uint8, or uint16 where a label value needs it; sform and qform hold the affine (a sheared one only fits
    the sform).

    Raises:
        MedVLPError: the folder is missing, read-only or full, or the grid is too large for NIfTI.
    """
    top = max([int(segmentation.labels.max(initial=0)), *(s.value for s in segmentation.segments)])
    dtype = np.uint8 if top <= 255 else np.uint16
    # One array at a time goes through gzip, first index fastest: no copy where the labels already lie so.
    voxels = np.asarray(segmentation.labels, dtype=dtype)
    if max(voxels.shape) > np.iinfo(np.int16).max:
        raise MedVLPError("The grid is too large for NIfTI (32,767 voxels along an axis).", "Write .seg.nrrd instead.")
    image = _placed(nib.Nifti1Image(voxels, segmentation.affine, dtype=dtype), segmentation.affine)
    image.header.set_intent("label")
    text = json.dumps(sidecar(segmentation), indent=1, ensure_ascii=False)
    with replacing(path) as temporary, replacing(sidecar_path(path)) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
        nib.save(image, temporary)


def write_exact(volume: Volume, path: Path) -> None:
    """Write a volume as `.nii.gz` or `.nii`, its voxels and their type as they are, whatever its axes are like.

    Raises:
        MedVLPError: the folder is missing, read-only or full, or the grid or the type of the voxels is none of NIfTI's.
    """
    array = np.asarray(volume.array)
    if max(array.shape) > np.iinfo(np.int16).max or array.dtype.kind not in "iuf":
        raise MedVLPError(f"{path.name} cannot be NIfTI: {array.shape} voxels, {array.dtype}.", "Resample the volume.")
    with replacing(path) as temporary:
        nib.save(_placed(nib.Nifti1Image(array, volume.affine, dtype=array.dtype), volume.affine), temporary)


def _placed(image: Any, affine: NDArray[np.float64]) -> Any:
    """The image with its place in both forms of the header, mm, or in one where the other cannot hold it."""
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=SCANNER)
    image.set_qform(affine, code=SCANNER)
    if not np.allclose(image.get_qform(), affine, atol=1e-3 * float(np.linalg.norm(affine[:3, 0]))):
        image.set_qform(None, code=0)  # sheared: a qform would say something else
    return image


def sidecar_path(path: Path) -> Path:
    """`OUT.json` for `OUT.nii.gz`, `OUT.nii` and `OUT.nrrd`."""
    name = path.name
    for ending in (".gz", ".nii", ".nrrd"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return path.with_name(name + ".json")


def sidecar(segmentation: Segmentation) -> dict[str, Any]:
    """What the label values mean, found or not, ready for JSON."""
    content: dict[str, Any] = {
        "model": segmentation.model,
        "labels": [
            {
                "value": segment.value,
                "concept": segment.concept,
                "name": segment.name,
                "score": round(float(segment.score), 6),
                "volume_ml": round(float(segment.volume_ml), 6) or float(segment.volume_ml),
                "found": bool(segment.found),
                **_instance(segment),
            }
            for segment in segmentation.segments
        ],
    }
    if segmentation.notes:
        content["notes"] = list(segmentation.notes)
    if segmentation.report:
        content["report"] = segmentation.report
    return content


def _instance(segment: Segment) -> dict[str, Any]:
    """What only instances have; cells are too small for millilitres."""
    if not segment.instance:
        return {}
    return {
        "instance": segment.instance,
        "volume_um3": float(f"{UM3 * segment.volume_ml:.4g}"),
        "centre_ras_mm": None if segment.centre is None else list(segment.centre),
    }

"""3D Slicer's own segmentation file: a gzip-compressed NRRD label map whose header names every segment.

Format: https://slicer.readthedocs.io, Segmentations module, "Segmentation node file format (.seg.nrrd)".
Only structures that were found become segments (each instance one of its own); Slicer would show the others as empty
rows. Their concept ids stand in the header field `MedVLP.NotFound`. Per segment the tags `MedVLP.Concept`,
`MedVLP.Score` and `MedVLP.Model` keep what Slicer has no field for.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.volume.segmentation import Segment, Segmentation
from vlp3d_core.volume.terminology import terminology_entry
from vlp3d_core.volume.write_nifti import sidecar, sidecar_path
from vlp3d_core.volume.written import check_complete

SHEAR = 1e-3
"""Largest cosine between two axes that still counts as a right angle: 0.5 mm over 500 mm."""

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def write_seg_nrrd(segmentation: Segmentation, path: Path) -> None:
    """Write `.seg.nrrd`.

    Raises:
        MedVLPError: the voxel axes are not perpendicular (Slicer's segmentations must be), or the disk refuses.
    """
    image = _image(segmentation)
    for key, value in _header(segmentation).items():
        image.SetMetaData(key, value)
    with replacing(path) as temporary:
        _write(image, temporary, path, segmentation.labels.nbytes)


def write_nrrd(segmentation: Segmentation, path: Path) -> None:
    """Write `OUT.nrrd`, a plain label map, and `OUT.json`, which says what its values mean; both appear, or none.

    Raises:
        MedVLPError: as `write_seg_nrrd`.
    """
    image = _image(segmentation)
    text = json.dumps(sidecar(segmentation), indent=1, ensure_ascii=False)
    with replacing(path) as temporary, replacing(sidecar_path(path)) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
        _write(image, temporary, path, segmentation.labels.nbytes)


def _image(segmentation: Segmentation) -> sitk.Image:
    """The labels in their place."""
    check_perpendicular(segmentation.affine)
    image = sitk.GetImageFromArray(np.asarray(segmentation.labels).T)
    linear = RAS_TO_LPS @ segmentation.affine[:3, :3]
    spacing = np.linalg.norm(linear, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((linear / spacing).ravel().tolist())
    image.SetOrigin((RAS_TO_LPS @ segmentation.affine[:3, 3]).tolist())
    return image


def _write(image: sitk.Image, temporary: Path, path: Path, voxel_bytes: int) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("NrrdImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressionLevel(1)  # label maps shrink to about 1 % at any level
    writer.SetFileName(str(temporary))
    try:
        writer.Execute(image)
    except RuntimeError as error:  # ITK's way to say that the disk is full
        raise MedVLPError(
            f"Cannot write {path}: the disk refused the data.", "Choose a folder that has free space."
        ) from error
    check_complete(temporary, path, voxel_bytes)


def check_perpendicular(affine: NDArray[np.float64]) -> None:
    """Refuse sheared grids, which a Slicer segmentation cannot hold.

    Raises:
        MedVLPError: two voxel axes are not at a right angle.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(directions.T @ directions - np.eye(3)).max() > SHEAR:
        raise MedVLPError(
            "The volume's axes are not perpendicular (gantry tilt?), which a .seg.nrrd file cannot hold.",
            "Write .nii.gz instead.",
        )


def _header(segmentation: Segmentation) -> dict[str, str]:
    """Key/value pairs of the file, as Slicer 5 writes and reads them, plus our own."""
    fields = {
        # The file holds the whole grid, so extents need no offset.
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_MasterRepresentation": "Binary labelmap",  # read by every version
        "Segmentation_SourceRepresentation": "Binary labelmap",  # the name in newer ones
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": "",
    }
    extents = ndimage.find_objects(segmentation.labels)
    missing: list[str] = []
    number = 0
    for segment in segmentation.segments:
        extent = extents[segment.value - 1] if segment.value <= len(extents) else None
        if extent is None:
            missing.append(segment.concept)
            continue
        for key, value in _fields(segment, extent, segmentation.model).items():
            fields[f"Segment{number}_{key}"] = value
        number += 1
    if segmentation.model:
        fields["MedVLP.Model"] = _clean(segmentation.model)
    if missing:
        fields["MedVLP.NotFound"] = _clean(" ".join(missing))
    return fields


def _fields(segment: Segment, extent: tuple[slice, slice, slice], model: str) -> dict[str, str]:
    tags = {
        "TerminologyEntry": terminology_entry(segment),
        "MedVLP.Concept": segment.concept,
        "MedVLP.Score": f"{segment.score:.4f}",
        "MedVLP.Model": model,
    }
    return {
        "ID": _clean(segment.id) or f"segment_{segment.value}",
        "Name": _clean(segment.name),
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{channel / 255:.6g}" for channel in segment.color),
        "ColorAutoGenerated": "0",
        "LabelValue": str(segment.value),
        "Layer": "0",
        "Extent": " ".join(f"{s.start} {s.stop - 1}" for s in extent),
        "Tags": "".join(f"{key}:{_clean(value)}|" for key, value in tags.items() if value),
    }


def _clean(text: str) -> str:
    """Without the characters that separate header lines and tags."""
    return " ".join(text.replace("|", " ").split())

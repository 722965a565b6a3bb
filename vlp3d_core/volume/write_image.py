"""Writing a volume itself, as an image file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import replacing
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.written import check_complete

IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write `.nii.gz`, `.nii`, `.nrrd` or `.mha`; a CT as whole HU (int16, as scanners store it), others as float32.

    The file appears complete or not at all; an older one of that name is replaced.

    Raises:
        UsageError: another ending.
        MedVLPError: the axes are not perpendicular, or the folder is missing, read-only or full.
    """
    path = Path(path)
    check_image_name(path)
    image = _image(volume, path)
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:  # SimpleITK says many lines, and no reason
            raise MedVLPError(
                f"Cannot write {path}.", "Choose a folder that is writable and has free space."
            ) from error
        voxel_bytes = image.GetSizeOfPixelComponent() * image.GetNumberOfPixels()
        check_complete(temporary, path, voxel_bytes)


def check_image_name(path: Path) -> None:
    """Raise UsageError where the ending names no image format."""
    if path.name.lower().endswith(".seg.nrrd") or not path.name.lower().endswith(IMAGE_ENDINGS):
        raise UsageError(
            f"The ending of '{path.name}' names no image format.", f"Use one of {', '.join(IMAGE_ENDINGS)}."
        )


def _image(volume: Volume, path: Path) -> sitk.Image:
    """The same voxels for SimpleITK: its axes are LPS, its arrays (K, J, I)."""
    voxels = volume.array.transpose(2, 1, 0)
    if volume.modality == "CT":
        voxels = np.rint(voxels).clip(-32768, 32767).astype(np.int16)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise MedVLPError(
            f"Cannot write {path}: the volume's axes are not perpendicular.", "Resample it to a regular grid first."
        )
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image

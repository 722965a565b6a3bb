"""Which voxels are refused, mended or noted when an image comes in, whatever its format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError


@dataclass(frozen=True)
class RawVolume:
    """What a format's reader found, before the checks that all formats share.

    Attributes:
        array: float32 (I, J, K), writeable, k slowest in memory.
        affine: float64 (4, 4), index → RAS in mm.
        format: as in `Source.format`.
        notes: what the user should know.
        integer: the file stores integers, which a label map usually does.
        segmentation: the file says itself that it holds segments.
        modality: as the file says it, "" when it does not.
        series_uid, files: as in `Source`.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    format: str
    notes: tuple[str, ...] = ()
    integer: bool = False
    segmentation: bool = False
    modality: str = ""
    series_uid: str = ""
    files: tuple[Path, ...] = ()


def damaged(path: Path, kind: str, error: BaseException | str) -> MedVLPError:
    """The error for a file that claims to be `kind` but cannot be read."""
    reason = " ".join(str(error).replace(str(path), path.name).split())[:160].rstrip(".") or type(error).__name__
    return MedVLPError(
        f"{path} cannot be read as {kind} ({reason}).", "Check that the file is complete and has the right ending."
    )


def truncated(path: Path) -> MedVLPError:
    """The error for a file that ends too early or whose compression is broken."""
    return MedVLPError(f"{path} is truncated or damaged.", "Copy or download the file again.")


def spatial_shape(path: Path, shape: tuple[int, ...], components: int = 1) -> tuple[int, int, int]:
    """The three spatial sizes of an image; trailing singleton dimensions are dropped.

    Args:
        shape: the stored sizes, fastest axis first.
        components: values a voxel, when the format keeps them apart from the sizes.

    Raises:
        MedVLPError: the image is empty, 2D, 4D or has several components a voxel.
    """
    if components > 1:
        raise MedVLPError(
            f"{path} has {components} values a voxel (a color, vector or multi-layer image).",
            "Give a scalar image: save one component as a 3D file.",
        )
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    size = " x ".join(str(n) for n in shape)
    if not shape or any(n <= 0 for n in shape):
        raise MedVLPError(f"{path} holds no voxels ({size or 'no dimensions'}).", "Export the image again.")
    if len(shape) == 5 and shape[3] == 1:
        return spatial_shape(path, shape[:3], components=shape[4])
    if len(shape) > 3:
        frames = math.prod(shape[3:])
        raise MedVLPError(
            f"{path} is a {len(shape)}D image of {frames} frames ({size}).",
            "Save one frame as a 3D file and give that, for example (Python) "
            "nibabel.save(nibabel.load('in.nii.gz').slicer[..., 0], 'frame0.nii.gz').",
        )
    if len(shape) < 3 or min(shape) == 1:
        raise MedVLPError(
            f"{path} is a 2D image ({size}).", "Give a volume with at least two slices in every direction."
        )
    return shape[0], shape[1], shape[2]


def check_pixel_type(path: Path, dtype: np.dtype[Any]) -> None:
    """Raise MedVLPError for colour, complex and other voxels that are not one real number."""
    if dtype.kind in "iufb":
        return
    kind = {"c": "complex", "V": "color"}.get(dtype.kind, str(dtype))
    raise MedVLPError(f"{path} has {kind} voxels.", "Give a scalar image, one real number a voxel.")


def check_memory(path: Path, shape: tuple[int, int, int], extra_bytes: int = 0) -> None:
    """Raise MedVLPError when the float32 volume and `extra_bytes` for reading it do not fit into free memory."""
    needed = math.prod(shape) * 4 + extra_bytes
    free = int(psutil.virtual_memory().available)
    if needed <= free:
        return
    factor = max(2, math.ceil((needed / max(free, 1)) ** (1 / 3)))
    size = " x ".join(str(n) for n in shape)
    fits = " x ".join(str(max(n // factor, 1)) for n in shape)
    raise MedVLPError(
        f"{path} ({size}) needs {needed / 2**30:.1f} GiB of memory to read and {free / 2**30:.1f} GiB are free.",
        f"Crop it, down-sample it by {factor} ({fits} would fit), close other programs or use a larger machine.",
    )


def mend_voxels(path: Path, array: NDArray[np.float32]) -> list[str]:
    """Replace NaN and infinities by the smallest finite value, in place; return notes.

    Raises:
        MedVLPError: no voxel is finite.
    """
    low, bad = math.inf, 0
    for k in range(array.shape[2]):
        part = array[:, :, k]
        # Sums of finite float32 values cannot overflow in float64, so this finds bad slices without a mask.
        with np.errstate(invalid="ignore"):
            total = float(part.sum(dtype=np.float64))
        if not math.isfinite(total):
            part = part[np.isfinite(part)]
            bad += array[:, :, k].size - part.size
        if part.size:
            low = min(low, float(part.min()))
    if bad == array.size:
        raise MedVLPError(f"{path} has no finite voxel (all are NaN or infinite).", "Export the image again.")
    if bad == 0:
        return []
    for k in range(array.shape[2]):
        part = array[:, :, k]
        part[~np.isfinite(part)] = low
    return [f"{bad} of {array.size} voxels were NaN or infinite and are now the image's minimum ({low:g})."]


def check_contrast(path: Path, array: NDArray[np.float32]) -> None:
    """Raise MedVLPError when all voxels are equal."""
    low = float(array.min())
    if low == float(array.max()):
        raise MedVLPError(f"{path} shows nothing: all its voxels are {low:g}.", "Check that it is the right file.")

"""Writing a segmentation: the file's ending says which format."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_dicom_seg import check_dicom_source, write_dicom_seg
from vlp3d_core.volume.write_nifti import sidecar_path, write_nifti
from vlp3d_core.volume.write_seg_nrrd import check_perpendicular, write_nrrd, write_seg_nrrd

SEGMENTS = (".seg.nrrd", ".dcm")
"""Formats in which each segment has a name and a colour; the others are label maps with a list beside them."""
WRITERS: dict[str, Callable[[Segmentation, Path], None]] = {
    ".seg.nrrd": write_seg_nrrd,
    ".nrrd": write_nrrd,
    ".nii.gz": write_nifti,
    ".nii": write_nifti,
    ".dcm": write_dicom_seg,
}


def write_segmentation(segmentation: Segmentation, path: str | Path) -> None:
    """Write a segmentation as `.seg.nrrd` (3D Slicer), `.nii.gz`, `.nii` or `.nrrd` (label maps, `.json` beside
    them) or `.dcm` (SEG).

    The file appears complete or not at all; an older one of that name is replaced.

    Raises:
        UsageError: another ending.
        MedVLPError: the format cannot hold this segmentation, or the folder is missing, read-only or full.
    """
    path = Path(path)
    check_writable(path)
    WRITERS[_ending(path)](segmentation, path)


def check_writable(path: str | Path, volume: Volume | None = None) -> None:
    """Find out before long work whether `write_segmentation` can write there.

    Args:
        volume: the input; with it, whether the format can hold a segmentation of this volume.

    Raises:
        UsageError: the ending names no format.
        MedVLPError: the folder is missing or read-only, the path is a folder or too long, or the format does not fit.
    """
    path = Path(path)
    ending = _ending(path)
    check_place(path)
    if ending not in SEGMENTS:
        check_place(sidecar_path(path))
    if volume is not None and ending == ".dcm":
        check_dicom_source(volume.source, volume.shape[2])
    if volume is not None and ending in (".seg.nrrd", ".nrrd"):
        check_perpendicular(volume.affine)


def companions(path: Path) -> tuple[Path, ...]:
    """The files that `write_segmentation` writes beside `path`."""
    return (sidecar_path(path),) if _ending(path) not in SEGMENTS else ()


def _ending(path: Path) -> str:
    ending = next((e for e in WRITERS if path.name.lower().endswith(e) and len(path.name) > len(e)), None)
    if ending is None:
        raise UsageError(
            f"The ending of '{path.name}' names no segmentation format.", f"Use one of {', '.join(WRITERS)}."
        )
    return ending


def check_place(path: Path) -> None:
    """Raise MedVLPError where no file of any kind can be written: a missing or read-only folder, a name too long."""
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # refuses names that are too long
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise MedVLPError(
            f"Cannot write {path}: {reason}.", "Choose a folder that exists, is writable and has free space."
        ) from error

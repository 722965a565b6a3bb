"""Volumes that the engine cannot read as they are, written once as files that it can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.volume.written import check_complete


def converted(source: Path, target: Path, make: Callable[[Path], None]) -> Path:
    """`target`, made from `source` by `make(target)` where it is missing or older than its source.

    `make` has to let the file appear complete or not at all, so that a stopped run goes on where it was.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedVLPError(
            f"Cannot make the folder {target.parent}: {error.strerror}.", "Choose another place for the manifest."
        ) from error
    if not target.exists() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
        make(target)
    return target


def write_slices(slices: NDArray[Any], spacing: Sequence[float], path: Path) -> None:
    """Write an array in its own type as `.nrrd`, axes along L, P and S, for nothing is known of its place.

    Args:
        slices: (K, J, I), the order of picture stacks and of HDF5 files.
        spacing: along I, J and K, mm.

    Raises:
        MedVLPError: the folder is read-only or full.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(slices))
    image.SetSpacing([float(step) for step in spacing])
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:  # SimpleITK says many lines, and no reason
            raise MedVLPError(f"Cannot write {path}.", "Choose a folder that has free space.") from error
        check_complete(temporary, path, slices.nbytes)

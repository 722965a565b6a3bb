"""A volume: voxels and where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.volume.placed import Placed

MODALITIES = ("CT", "MR", "EM", "PT")


@dataclass(frozen=True)
class Source:
    """Where a volume came from.

    Attributes:
        path: the file or folder that was read; None for a volume made in memory.
        format: "nifti", "nrrd", "metaimage", "dicom" or "memory".
        series_uid: SeriesInstanceUID when the source is DICOM.
        files: the DICOM files in the order of the third array axis.
        notes: what the reader noticed and the user should know ("slice spacing varies by 0.3 mm", ...).
    """

    path: Path | None = None
    format: str = "memory"
    series_uid: str = ""
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume(Placed):
    """A scalar image with its place in the patient.

    Attributes:
        array: float32, shape (I, J, K); `array[i, j, k]` lies at `affine @ (i, j, k, 1)`. Any memory layout. Models
            take int16 as well, with the same result (the worker spares a copy).
        affine: float64, shape (4, 4), index → RAS in mm (R, A and S positive), the only truth about geometry.
        modality: "CT", "MR", "EM", "PT" or "" when the file does not say.
        source: where it came from.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    modality: str = ""
    source: Source = field(default_factory=Source)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.array.shape

    def with_array(self, array: NDArray[np.float32]) -> Volume:
        """The same place, other voxels."""
        return replace(self, array=array)

    def part(self, axis: int, first: int, end: int) -> Volume:
        """The voxels from `first` to before `end` along an array axis, at their place."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, axis] * first
        array = np.ascontiguousarray(np.take(self.array, np.arange(first, end), axis))
        return replace(self, array=array, affine=affine)

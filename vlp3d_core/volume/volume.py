"""A volume: voxels and where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
class Volume:
    """A scalar image with its place in the patient.

    Attributes:
        array: float32, shape (I, J, K); `array[i, j, k]` lies at `affine @ (i, j, k, 1)`. Any memory layout.
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

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    def with_array(self, array: NDArray[np.float32]) -> Volume:
        """The same place, other voxels."""
        return replace(self, array=array)

"""What every array with a place in the patient can say from its matrix alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Placed:
    """Base of volumes, grids and label maps.

    Attributes:
        affine: float64 (4, 4), index → RAS in mm.
    """

    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

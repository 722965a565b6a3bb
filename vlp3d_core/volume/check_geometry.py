"""Which grids are refused or noted when an image comes in, whatever its format.

Spacing must be positive and between 1e-7 mm (EM) and 50 mm. The direction matrix must not be singular. Mild shear, as a
tilted CT gantry gives, is accepted with a note because resampling handles any matrix; a large one is refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError

MIN_SPACING_MM = 1e-7
MAX_SPACING_MM = 50.0
MAX_SHEAR_DEGREES = 35.0
"""A CT gantry tilts by up to 30 degrees; a larger shear is a wrong matrix, not a scanner."""
NOTED_SHEAR_DEGREES = 0.1


def spacing_problem(spacing: NDArray[np.float64]) -> str | None:
    """Why these voxel sizes in mm cannot be used, or None."""
    text = " x ".join(f"{s:g}" for s in spacing)
    if not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
        return f"its spacing is {text} mm"
    if np.any(spacing < MIN_SPACING_MM) or np.any(spacing > MAX_SPACING_MM):
        return f"its spacing of {text} mm is implausible"
    return None


def affine_problem(affine: NDArray[np.float64]) -> str | None:
    """Why this index → RAS matrix cannot be used, or None."""
    if not np.all(np.isfinite(affine)):
        return "its matrix has values that are not finite"
    with np.errstate(over="ignore"):
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    problem = spacing_problem(spacing)
    if problem:
        return problem
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        return "its direction matrix is singular"
    shear = shear_degrees(affine)
    if shear > MAX_SHEAR_DEGREES:
        return f"its axes are {shear:.0f} degrees away from perpendicular"
    return None


def bad_geometry(path: Path, problem: str) -> MedVLPError:
    """The error for a geometry that `affine_problem` or `spacing_problem` objects to."""
    return MedVLPError(
        f"{path} has no usable geometry: {problem}.",
        "Export the image again from its source, or correct spacing, unit and orientation in its header.",
    )


def shear_degrees(affine: NDArray[np.float64]) -> float:
    """Largest deviation of two index axes from a right angle, in degrees."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs([axes[:, 0] @ axes[:, 1], axes[:, 0] @ axes[:, 2], axes[:, 1] @ axes[:, 2]])
    return float(np.degrees(np.arcsin(min(1.0, float(cosines.max())))))


def shear_note(affine: NDArray[np.float64]) -> str | None:
    """What to tell about a mildly sheared grid, or None for perpendicular axes."""
    shear = shear_degrees(affine)
    if shear < NOTED_SHEAR_DEGREES:
        return None
    return (
        f"The image axes are {shear:.1f} degrees away from perpendicular (gantry tilt or shear); "
        "the exact matrix is used, and results on this grid can be written as NIfTI only."
    )

"""From loose slices to a grid: sorted by position along the normal, gaps and doubles named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.check_geometry import spacing_problem
from vlp3d_core.volume.dicom_scan import Frame

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_EVEN = 0.01
"""Slice distances that differ by less than this share are rounding."""
_NEARLY_EVEN = 0.10
"""Slice distances that differ by less than this share become one spacing, with a note."""
_OFF_GRID = 0.25
"""Share of the spacing by which a slice may lie off the even grid."""


@dataclass(frozen=True)
class Stack:
    """Slices in the order of the third array axis and their index → RAS matrix in mm."""

    frames: tuple[Frame, ...]
    affine: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.frames[0].size, len(self.frames))


def stack(frames: Sequence[Frame], name: str) -> Stack:
    """Arrange the frames of one series. A gantry tilt gives a sheared matrix, which is exact.

    Args:
        name: of the series, for messages.

    Raises:
        MedVLPError: no position, mixed sizes or orientations, doubled, missing or unevenly spaced slices.
    """
    notes: list[str] = []
    placed = _alike(_placed(frames, name, notes), name, notes)
    first = placed[0]
    assert first.orientation and first.pixel_spacing
    row, column = _directions(first, name)
    normal = np.cross(row, column)
    placed.sort(key=lambda frame: float(normal @ np.array(frame.position)))
    positions = np.array([frame.position for frame in placed])
    step = _step(placed, positions, normal, name, notes)
    affine = np.eye(4)
    affine[:3, 0] = row * first.pixel_spacing[1]
    affine[:3, 1] = column * first.pixel_spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    return Stack(tuple(placed), _LPS_TO_RAS @ affine, tuple(notes))


def _placed(frames: Sequence[Frame], name: str, notes: list[str]) -> list[Frame]:
    placed = [frame for frame in frames if frame.placed]
    if not placed:
        raise MedVLPError(
            f"{name} does not say where its {len(frames)} images lie in the patient.",
            "Export the original series, not screenshots or secondary captures.",
        )
    if len(placed) < len(frames):
        notes.append(f"{len(frames) - len(placed)} images without a position were left out.")
    return placed


def _alike(frames: list[Frame], name: str, notes: list[str]) -> list[Frame]:
    """The frames of one size, orientation and pixel spacing; scouts of another kind are left out."""
    kinds: list[list[Frame]] = []
    for frame in frames:
        for kind in kinds:
            if _same_plane(kind[0], frame):
                kind.append(frame)
                break
        else:
            kinds.append([frame])
    kinds.sort(key=len, reverse=True)
    odd = [frame for kind in kinds[1:] for frame in kind]
    if not odd:
        return kinds[0]
    if len(kinds[0]) > 1 and all(frame.localiser for frame in odd):
        notes.append(f"{len(odd)} localiser images were left out.")
        return kinds[0]
    counts = ", ".join(f"{len(kind)} of {_describe(kind[0])}" for kind in kinds[:4])
    raise MedVLPError(
        f"{name} mixes images of different geometry: {counts}.",
        f"Move the odd ones ({odd[0].file.name}{' …' if len(odd) > 1 else ''}) to another folder.",
    )


def _same_plane(a: Frame, b: Frame) -> bool:
    assert a.orientation and b.orientation and a.pixel_spacing and b.pixel_spacing
    return (
        a.size == b.size
        and bool(np.allclose(a.orientation, b.orientation, atol=1e-3))
        and bool(np.allclose(a.pixel_spacing, b.pixel_spacing, rtol=1e-3))
    )


def _describe(frame: Frame) -> str:
    row, column = np.array(frame.orientation)[:3], np.array(frame.orientation)[3:]
    plane = ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(np.cross(row, column))))]
    return f"{frame.size[0]} x {frame.size[1]} {plane} ({frame.file.name})"


def _directions(frame: Frame, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axes = np.array(frame.orientation).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if not np.all(np.isfinite(axes)) or np.any(np.abs(lengths - 1) > 0.01) or abs(axes[0] @ axes[1]) > 0.01:
        raise MedVLPError(
            f"{name} has an invalid orientation in {frame.file.name}.", "Export the series again from its source."
        )
    problem = spacing_problem(np.array(frame.pixel_spacing))
    if problem:
        raise MedVLPError(f"{name} has no usable geometry: {problem}.", "Export the series again from its source.")
    row = axes[0] / lengths[0]
    column = axes[1] - (axes[1] @ row) * row
    return row, column / np.linalg.norm(column)


def _step(
    frames: Sequence[Frame],
    positions: NDArray[np.float64],
    normal: NDArray[np.float64],
    name: str,
    notes: list[str],
) -> NDArray[np.float64]:
    """The vector from one slice to the next, LPS in mm."""
    if not np.all(np.isfinite(positions)):
        raise MedVLPError(f"{name} has slice positions that are not finite.", "Export the series again.")
    if len(frames) == 1:
        return normal
    along = positions @ normal
    distances = np.diff(along)
    spacing = float(np.median(distances))
    _refuse_doubles(frames, along, name)
    _refuse_gaps(frames, along, spacing, name)
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    ideal = positions[0] + np.arange(len(frames))[:, None] * step
    off = float(np.linalg.norm(positions - ideal, axis=1).max())
    uneven = float(np.abs(distances / spacing - 1).max())
    extremes = f"{distances.min():.3g} to {distances.max():.3g} mm"
    if uneven > _NEARLY_EVEN or off > _OFF_GRID * spacing:
        raise MedVLPError(
            f"{name} has slices at uneven distances ({extremes}, up to {off:.2g} mm off a straight, even grid).",
            "Export an evenly spaced reconstruction, or resample the series first.",
        )
    if uneven > _EVEN:
        notes.append(f"Slice distances vary ({extremes}); {np.linalg.norm(step):.4g} mm was used for all.")
    return step


def _refuse_doubles(frames: Sequence[Frame], along: NDArray[np.float64], name: str) -> None:
    tolerance = _EVEN * (along[-1] - along[0]) / (len(along) - 1)
    doubled = np.flatnonzero(np.diff(along) <= tolerance)
    if doubled.size == 0:
        return
    at = along[doubled[0]]
    files = [frame.file.name for frame, s in zip(frames, along, strict=True) if abs(s - at) <= tolerance]
    names = ", ".join(dict.fromkeys(files[:3]))
    most = Counter(np.round(along, 3).tolist()).most_common(1)[0][1]
    raise MedVLPError(
        f"{name} has several images at the same place (up to {max(most, 2)} each, for example {names}).",
        "Export one time point, phase or echo as a series of its own.",
    )


def _refuse_gaps(frames: Sequence[Frame], along: NDArray[np.float64], spacing: float, name: str) -> None:
    ratios = np.diff(along) / spacing
    missing = np.rint(ratios) - 1
    gaps = np.flatnonzero((missing >= 1) & (np.abs(ratios - np.rint(ratios)) <= _NEARLY_EVEN))
    if gaps.size == 0:
        return
    after = int(gaps[0])
    count = math.floor(float(missing[gaps].sum()))
    raise MedVLPError(
        f"{name} lacks {count} slice{'s'[: count > 1]}: after {frames[after].file.name} there is a gap of "
        f"{along[after + 1] - along[after]:.4g} mm where slices are {spacing:.4g} mm apart.",
        "Copy or export the complete series again.",
    )

"""Make a phantom: choose the field of view, paint the patient into it, give it a scanner's values, measure it.

A phantom is a drawing by formulas. It is not a patient, it is not made from one, and a score reached on phantoms is
no evidence of performance on people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom.atlas import NO_CHANGES, Changes, material_values, parts, structures
from vlp3d_core.phantom.body import paint_body
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.facts import Fact, measure
from vlp3d_core.phantom.look import Look, make_look
from vlp3d_core.phantom.patient import Patient, make_patient
from vlp3d_core.text import concepts
from vlp3d_core.volume import Segment, Segmentation, Volume
from vlp3d_core.volume.grid import Grid

REGIONS = ("trunk", "head-neck")
MOST_VOXELS = 512 * 512 * 700


@dataclass(frozen=True)
class Phantom:
    """A made-up scan with its truth.

    Attributes:
        volume: HU of a CT, whole numbers of no unit of an MR.
        labels: uint8, the volume's grid, 0 is background or unnamed tissue.
        values: label value → concept id, for the structures that are present. The same id has the same value in
            every phantom.
        facts: every present structure, measured.
        contrast: of an MR, one of `CONTRASTS`; else "".
    """

    volume: Volume
    labels: NDArray[np.uint8]
    values: dict[int, str]
    facts: list[Fact]
    contrast: str = ""

    def segmentation(self) -> Segmentation:
        """The truth as a segmentation with the concepts' names, codes and colours."""
        known = concepts()
        segments = []
        for value, fact in zip(self.values, self.facts, strict=True):
            c = known[fact.concept]
            segments.append(
                Segment(value, c.id, c.name, c.color, c.category, c.type, c.modifier, 1.0, fact.volume_ml, True)
            )
        return Segmentation(self.labels, self.volume.affine, tuple(segments), source=self.volume.source)


def make_phantom(
    seed: int,
    region: str = "trunk",
    spacing: Sequence[float] | None = None,
    size: Sequence[int] | None = None,
    modality: str = "CT",
    contrast: str = "",
) -> Phantom:
    """A procedural CT or MR, the same for the same arguments.

    The seed decides the patient and the field of view in mm; spacing and size only decide how it is sampled, modality
    and contrast how it looks: labels are the same in all of them.

    Args:
        seed: any whole number from 0.
        region: "trunk" (a part of chest, abdomen and pelvis, arms up) or "head-neck" (arms down; a CT has −1024 HU
            outside).
        spacing: voxel size in mm; None: drawn from the seed (about 3.5 mm), or from `size` where that is given.
        size: number of voxels along R, A, S; None: what covers the patient's field of view at that spacing.
        modality: "CT" or "MR".
        contrast: of an MR: "T1", "T2", "PD" or "T1C" (with contrast medium and fat saturation); "": drawn.

    Raises:
        UsageError: an unknown region, modality or contrast, or a seed, spacing or size that makes no volume.
    """
    return draw(make_patient(seed_number(seed)), region, spacing, size, modality=modality, contrast=contrast)[0]


def draw(
    patient: Patient,
    region: str,
    spacing: Sequence[float] | None = None,
    size: Sequence[int] | None = None,
    changes: Changes = NO_CHANGES,
    modality: str = "CT",
    contrast: str = "",
) -> tuple[Phantom, Canvas, Look]:
    """A phantom of this patient, the canvas that it was painted on and the scan. Raises what `make_phantom` raises."""
    if region not in REGIONS:
        raise UsageError(f"There is no phantom region {region!r}.", f"Choose one of {', '.join(REGIONS)}.")
    grid, middle = field_of_view(patient, region, _triple(spacing, "spacing"), _triple(size, "size"))
    look = make_look(patient, grid.spacing, modality, contrast)
    canvas = Canvas(_coordinates(grid, patient, middle), material_values(), structures())
    outside = paint_body(canvas, patient, region)
    for part in parts(patient, _arms(region), changes):
        canvas.paint(part)
    array = look.render(canvas, outside, masked=region == "head-neck")
    volume = Volume(array, grid.affine, modality)
    present = np.flatnonzero(np.bincount(canvas.labels.ravel(), minlength=256))
    values = {value: name for name, value in structures().items() if value in present}
    facts = measure(volume, canvas.labels, values)
    return Phantom(volume, canvas.labels, values, facts, look.contrast), canvas, look


def field_of_view(
    patient: Patient, region: str, spacing: Sequence[float] | None, size: Sequence[float] | None
) -> tuple[Grid, NDArray[np.float64]]:
    """The grid (RAS, at a random table position) and the atlas point (mm) in its middle."""
    rng = patient.stream("field of view " + region)
    if region == "trunk":
        count = np.array([110, 90, 110])
        drawn = np.array([*(rng.uniform(3.4, 3.9) * np.ones(2)), rng.uniform(3.2, 4.0)])
        middle = np.array([rng.normal(0, 6), rng.normal(-2, 6), rng.uniform(-90, 95)])
    else:
        count = np.array([128, 128, 100])
        drawn = np.array([*(rng.uniform(3.6, 4.4) * np.ones(2)), rng.uniform(2.5, 3.0)])
        middle = np.array([rng.normal(0, 8), rng.normal(0, 15), rng.uniform(368, 400)])
    place = rng.uniform([-15, -15, -900], [15, 15, 300])
    extent = count * drawn
    if size is not None:
        count = np.asarray(size, int)
        step = np.asarray(spacing, float) if spacing is not None else extent / count
    else:
        step = np.asarray(spacing, float) if spacing is not None else drawn
        count = np.maximum(np.ceil(extent / step - 1e-6), 4).astype(int)
    if count.prod() > MOST_VOXELS:
        raise UsageError(f"A phantom of {'×'.join(map(str, count))} voxels is too large.", "Choose a larger spacing.")
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = place - step * (count - 1) / 2
    return Grid((int(count[0]), int(count[1]), int(count[2])), affine), middle


def _coordinates(
    grid: Grid, patient: Patient, middle: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Atlas coordinates of every voxel: the field of view's middle lies at the atlas point `middle`."""
    anchor = patient.turn @ (middle * patient.scale)
    lines = []
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = grid.shape[axis]
        step = (np.arange(grid.shape[axis]) - (grid.shape[axis] - 1) / 2) * grid.spacing[axis] + anchor[axis]
        lines.append(step.astype(np.float32).reshape(shape))
    return patient.to_body(*lines)


def _arms(region: str) -> str:
    return "arms_up" if region == "trunk" else "arms_down"


def seed_number(seed: int) -> int:
    """The seed, if it is one; raises UsageError."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise UsageError(f"{seed!r} is no seed.", "Give a whole number from 0.")
    return int(seed)


def _triple(values: Sequence[float] | None, name: str) -> tuple[float, ...] | None:
    """Three positive finite numbers (whole ones for a size), or None."""
    if values is None:
        return None
    least, most = (4, 2048) if name == "size" else (0.2, 50)
    numbers = tuple(values) if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else ()
    kind = Integral if name == "size" else Real
    if len(numbers) != 3 or not all(isinstance(v, kind) and least <= v <= most for v in numbers):
        raise UsageError(f"{values!r} is no {name} of a phantom.", f"Give three numbers from {least} to {most}.")
    return tuple(float(v) for v in numbers)

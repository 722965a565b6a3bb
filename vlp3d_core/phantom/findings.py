"""Draws findings into a painted phantom: each exact in side, place, size and count, and nothing that is not said.

The ways of drawing: a *ball* (nodule, mass, cyst, stone) inside its organ; a *dependent* layer, as fluid or collapse
gathers at the back and bottom of a lung; a *haze* of the lungs; a *shell* around an organ; free *fluid* in a cavity; an
*aneurysm* about a vessel; a *wedge* taken off a vertebra; a *break* through a long bone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter, maximum_filter

from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.look import Look
from vlp3d_core.phantom.phantom import Phantom
from vlp3d_core.phantom.shapes import Ellipsoid, Vector, rotation
from vlp3d_core.text import concepts
from vlp3d_core.text.report import Finding
from vlp3d_core.text.report.kinds import kinds

Mask = NDArray[np.bool_]
SHOWN = 0.5
"""Part of a voxel that a finding must fill somewhere to count as shown; on a coarse grid a small one may not."""
BESIDE = 13.0
"""Millimetres of bone that are looked at about a break."""


@dataclass
class Sheet:
    """A phantom that findings are drawn into.

    Attributes:
        phantom: as painted; its array is changed.
        canvas: materials, so that nothing leaves its cavity.
        look: the scan, which decides a tissue's value.
        marks: uint8, the grid: 1 + number of the finding that a voxel belongs to, 0 for none.
        findings: what has been drawn.
    """

    phantom: Phantom
    canvas: Canvas
    look: Look
    marks: NDArray[np.uint8]
    findings: list[Finding] = field(default_factory=list)

    def mask(self, structure: str) -> Mask:
        """Where a structure, or one of the composed ones of findings.json, is."""
        members = table("findings")["whole"].get(structure, [structure])
        values = [value for value, name in self.phantom.values.items() if name in members]
        return np.isin(self.phantom.labels, values)

    def may(self, materials: list[str]) -> Mask:
        """Where the canvas shows one of these materials."""
        return np.isin(self.canvas.material, [self.canvas.materials[m] for m in materials])

    def place(self) -> tuple[NDArray[np.float32], ...]:
        """R, A and S of every voxel in mm; the grid is upright, so they are lines that broadcast."""
        affine, shape = self.phantom.volume.affine, self.phantom.labels.shape
        lines = []
        for axis in range(3):
            line = affine[axis, axis] * np.arange(shape[axis]) + affine[axis, 3]
            lines.append(line.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)]))
        return tuple(lines)

    def blend(self, cover: NDArray[np.float32], tissue: str, rng: Generator) -> bool:
        """Turn voxels into a tissue of materials.json as far as they are covered (0 to 1); False when none is covered
        enough to see, or when the tissue looks like what is there."""
        if not cover.size or cover.max() < SHOWN:
            return False
        array = self.phantom.volume.array
        grain = gaussian_filter(rng.standard_normal(array.shape, dtype=np.float32), 0.7)
        if not self.look.blend(array, cover, tissue, grain, rng):
            return False
        self.marks[cover >= SHOWN] = len(self.findings) + 1
        return True


def shows(kind: str, look: Look) -> bool:
    """Whether a finding of this kind is seen in a scan of this modality, contrast and voxel size."""
    row = table("findings")["drawn"].get(kind, {})
    if max(look.spacing) > row.get("finest", np.inf):
        return False
    return look.modality != "MR" or look.contrast in row.get("mr", (look.contrast,))


def draw_finding(sheet: Sheet, kind: str, structure: str, rng: Generator) -> bool:
    """Draw one finding of a kind in a structure, and note it; False when there is no room or nothing can be seen."""
    row = table("findings")["drawn"][kind]
    side = concepts()[structure].side if structure in concepts() else ""
    chosen = kinds()[kind]
    tissue = row.get("tissue", "")
    options = {"density": chosen.density, "degree": chosen.degree}
    if isinstance(tissue, dict):
        options["density"] = tuple(density for density in chosen.density if sheet.look.knows(tissue[density]))
    choices = {name: str(rng.choice(values)) for name, values in options.items() if values}
    level = choices.get("degree", choices.get("density", ""))
    part = row.get("part", 0)
    named = tissue[level] if isinstance(tissue, dict) else tissue
    drawn = _WAYS[row["way"]](sheet, row, structure, named, part[level] if isinstance(part, dict) else part, rng)
    if drawn is None:
        return False
    count, size = drawn
    sheet.findings.append(
        Finding(
            kind,
            side if chosen.sides or chosen.sites else "",
            structure if chosen.sites else "",
            count,
            size,
            choices.get("density", ""),
            choices.get("degree", ""),
        )
    )
    return True


Drawn = tuple[int, int] | None
"""How many, and the longest diameter of the largest one in mm (0 where it is not measured)."""


def _balls(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    home = sheet.mask(structure) & (sheet.marks == 0)
    room = home | (sheet.may(row["over"]) & (sheet.marks == 0)) if "over" in row else home
    count = int(rng.integers(1, row.get("most", 1) + 1))
    sizes = []
    for size in np.sort(rng.integers(row["size"][0], row["size"][1] + 1, count))[::-1]:
        cover = _ball(sheet, home, room, float(size), rng)
        if cover is not None and sheet.blend(cover, tissue, rng):
            sizes.append(int(size))
            home &= maximum_filter(cover, 3) == 0  # the next one does not touch it
    return (len(sizes), max(sizes)) if sizes else None


def _ball(sheet: Sheet, home: Mask, room: Mask, size: float, rng: Generator) -> NDArray[np.float32] | None:
    """How far an ellipsoid somewhere in `home` covers each voxel of `room`; None where none of that size fits."""
    spacing = sheet.phantom.volume.spacing
    depth = distance_transform_edt(home, sampling=spacing)
    deepest = float(depth.max())
    # As deep as it fits, or, where the organ is thin, in its middle; a third of it may stick out of a border.
    places = np.argwhere(home & (depth >= min(size / 2 * 0.9, 0.85 * deepest)))
    if not len(places) or deepest < size / 5:
        return None
    affine = sheet.phantom.volume.affine
    centre = affine[:3, :3] @ (places[rng.integers(len(places))] + rng.uniform(-0.3, 0.3, 3)) + affine[:3, 3]
    radii = size / 2 * np.array([1.0, *rng.uniform(0.75, 1.0, 2)])
    return _cover(sheet, centre, radii, rotation(rng.uniform(-180, 180, 3))) * room


def _cover(sheet: Sheet, centre: Vector, radii: Vector, turn: Vector) -> NDArray[np.float32]:
    """Part of each voxel that an ellipsoid fills, about."""
    place = np.broadcast_arrays(*sheet.place())
    distance = Ellipsoid(centre, radii, 2, turn).distance(*place)
    step = float(np.prod(sheet.phantom.volume.spacing) ** (1 / 3))
    cover: NDArray[np.float32] = np.clip(0.5 - distance / step, 0, 1).astype(np.float32)
    return cover


def _dependent(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """The part of the voxels that lies furthest back and down (the patient lies on the back)."""
    home = sheet.mask(structure) & (sheet.marks == 0)
    if not home.any():
        return None
    _, a, s = np.broadcast_arrays(*sheet.place())
    height = a + np.float32(0.45) * s
    below = home & (height <= np.quantile(height[home], part))
    if not sheet.blend(below.astype(np.float32), tissue, rng):
        return None
    if row.get("displaces"):
        sheet.phantom.labels[below] = 0
    return 1, 0


def _haze(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """A veil of `part` HU over the lungs; MR, in which aerated lung is black, shows none."""
    home = sheet.mask(structure) & (sheet.marks == 0)
    if not home.any():
        return None
    array = sheet.phantom.volume.array
    spacing = sheet.phantom.volume.spacing
    cloud = gaussian_filter(rng.standard_normal(array.shape, dtype=np.float32), [20 / s for s in spacing])
    cloud = np.clip(1 + 0.35 * cloud / max(float(cloud.std()), 1e-6), 0.3, 1.7)
    array[home] = np.round(np.minimum(array[home] + part * cloud[home], np.maximum(array[home], -100)))
    sheet.marks[home] = len(sheet.findings) + 1
    return 1, 0


def _shell(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    home = sheet.mask(structure)
    if not home.any():
        return None
    step = float(np.prod(sheet.phantom.volume.spacing) ** (1 / 3))
    outside = distance_transform_edt(~home, sampling=sheet.phantom.volume.spacing)
    cover = np.clip(0.5 + (part - outside) / step, 0, 1) * (~home & sheet.may(row["over"]) & (sheet.marks == 0))
    return (1, 0) if sheet.blend(cover.astype(np.float32), tissue, rng) else None


def _fluid(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """Fluid gathers around the organ and in the deepest places of the cavity."""
    room = sheet.may(row["over"]) & (sheet.marks == 0)
    if not room.any():
        return None
    near = distance_transform_edt(~sheet.mask(structure), sampling=sheet.phantom.volume.spacing).astype(np.float32)
    _, a, _ = np.broadcast_arrays(*sheet.place())
    order = a + np.float32(0.8) * near
    filled = room & (order <= np.quantile(order[room], part))
    return (1, 0) if sheet.blend(filled.astype(np.float32), tissue, rng) else None


def _aneurysm(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """A widening of the vessel in front of the third lumbar vertebra; its size is the diameter across the vessel."""
    level = np.argwhere(sheet.mask("vertebrae_L3"))
    vessel = np.argwhere(sheet.mask(structure))
    if not len(level) or not len(vessel):
        return None
    here = vessel[np.abs(vessel[:, 2] - level[:, 2].mean()) <= 2]
    if not len(here):
        return None
    size = int(rng.integers(row["size"][0], row["size"][1] + 1))
    affine = sheet.phantom.volume.affine
    centre = affine[:3, :3] @ here.mean(axis=0) + affine[:3, 3] + [0, size * 0.2, 0]  # it grows to the front
    cover = _cover(sheet, centre, size / 2 * np.array([1.0, 1.0, 1.5]), np.eye(3))
    room = ~sheet.may(["bone", "bone_dense", "disc", "cord"]) & (sheet.marks == 0)
    return (1, size) if sheet.blend(cover * room, tissue, rng) else None


def _wedge(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """The upper front of a vertebral body is lost: what is left is a wedge."""
    home = sheet.mask(structure) & (sheet.marks == 0)
    points = np.argwhere(home)
    if not len(points) or binary_erosion(home).sum() < 3:
        return None
    _, a, s = np.broadcast_arrays(*sheet.place())
    front, back = np.quantile(a[home], [0.97, 0.35])
    bottom, top = np.quantile(s[home], [0.05, 0.97])
    lost = (a - back) / max(front - back, 1.0) * 0.55 * (top - bottom)  # more to the front
    cover = (home & (s > top - lost) & (a > back)).astype(np.float32)
    return (1, 0) if sheet.blend(cover, tissue, rng) else None


def _break(sheet: Sheet, row: dict[str, Any], structure: str, tissue: str, part: Any, rng: Generator) -> Drawn:
    """A gap across a rib or clavicle, `part` mm wide, with bone on both sides; the label goes on through it."""
    home = sheet.mask(structure) & (sheet.marks == 0)
    index = np.argwhere(home)
    if len(index) < 50:
        return None
    affine = sheet.phantom.volume.affine
    points = index @ affine[:3, :3].T + affine[:3, 3]
    width = float(rng.uniform(*part))
    for centre in points[rng.integers(len(points), size=30)]:
        near = points[np.linalg.norm(points - centre, axis=1) < BESIDE]
        middle = near.mean(axis=0)
        axis = np.linalg.svd(near - middle, full_matrices=False)[2][0]
        along = (near - middle) @ axis
        if np.linalg.norm(middle - centre) > 5 or along.min() > -0.7 * BESIDE or along.max() < 0.7 * BESIDE:
            continue  # too near an end
        r, a, s = np.broadcast_arrays(*sheet.place())
        off = [r - np.float32(middle[0]), a - np.float32(middle[1]), s - np.float32(middle[2])]
        across = np.abs(sum(np.float32(axis[n]) * off[n] for n in range(3)))
        close = sum(part * part for part in off) < BESIDE**2
        # The rim of the bone as well, which is blurred into the fat around it.
        free = home | ((sheet.phantom.labels == 0) & binary_dilation(home))
        step = float(np.prod(sheet.phantom.volume.spacing) ** (1 / 3))
        cover = np.clip(0.5 + (width / 2 - across) / step, 0, 1) * (close & free & (sheet.marks == 0))
        if not sheet.blend(cover.astype(np.float32), tissue, rng):
            return None
        sheet.marks[(sheet.marks == len(sheet.findings) + 1) & ~home] = 0
        return 1, 0
    return None


_WAYS: dict[str, Callable[[Sheet, dict[str, Any], str, str, Any, Generator], Drawn]] = {
    "ball": _balls, "dependent": _dependent, "haze": _haze, "shell": _shell, "fluid": _fluid,
    "aneurysm": _aneurysm, "wedge": _wedge, "break": _break,
}  # fmt: skip

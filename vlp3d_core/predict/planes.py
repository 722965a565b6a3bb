"""Where to cut a volume so that one sees what was found, and the cuts themselves, in radiological convention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.volume.foreground import box_of
from vlp3d_core.volume.grid import Box, Grid, model_grid
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.resample_labels import Labels, resample_labels
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume

COARSE = 128
"""Voxels along the longest edge of the coarse copy on which the cuts are chosen."""
AROUND_MM = 45.0
"""What is shown around the found structures, as far as there is body."""


@dataclass(frozen=True)
class View:
    """How a plane is looked at.

    Attributes:
        name: of the plane.
        across, down: RAS axis and direction (+1 or −1) of the columns and rows.
        letters: what lies left, right, above and below.
    """

    name: str
    across: tuple[int, int]
    down: tuple[int, int]
    letters: tuple[str, str, str, str]

    @property
    def normal(self) -> int:
        """The RAS axis that the plane cuts."""
        return 3 - self.across[0] - self.down[0]


# Seen from the feet and from the front: the patient's right is on the left.
VIEWS = (
    View("Axial", (0, -1), (1, -1), ("R", "L", "A", "P")),
    View("Coronal", (0, -1), (2, -1), ("R", "L", "S", "I")),
    View("Sagittal", (1, -1), (2, -1), ("A", "P", "S", "I")),
)


@dataclass(frozen=True)
class Scene:
    """What the picture shows of a volume, in RAS mm.

    Attributes:
        centre: the point that all three planes go through.
        box: the field that is shown.
        window: raw values that become black and white.
    """

    centre: tuple[float, float, float]
    box: Box
    window: tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """A cut: `gray` 0 to 1 and `labels`, both (rows, columns) with square pixels; `pixel` is their edge in mm."""

    view: View
    gray: NDArray[np.float32]
    labels: Labels
    pixel: float
    first: NDArray[np.float64]

    def column(self, ras: tuple[float, float, float]) -> float:
        """Where a point lies across, in pixels."""
        axis, sign = self.view.across
        return float((ras[axis] - self.first[axis]) * sign / self.pixel)

    def row(self, ras: tuple[float, float, float]) -> float:
        """Where a point lies down, in pixels."""
        axis, sign = self.view.down
        return float((ras[axis] - self.first[axis]) * sign / self.pixel)


def choose_scene(volume: Volume, segmentation: Segmentation) -> Scene:
    """Planes where most of the found structures are seen, and a field that holds the body."""
    grid = Grid.of(volume)
    edge = float(np.diff(np.array(grid.bounds).reshape(3, 2)).max()) / COARSE
    coarse = model_grid(grid, (edge, edge, edge))
    labels = resample_labels(segmentation.labels, grid, coarse)
    image = resample(volume, coarse, float(volume.array.min())).array
    window = grey_window(image, volume.modality)
    box = _body_box(image, labels, volume.modality, window, max(8, round(AROUND_MM / edge)))
    index = [_best_slice(labels, axis, box[axis]) for axis in range(3)]
    centre = coarse.affine[:3, :3] @ np.array(index, float) + coarse.affine[:3, 3]
    field = tuple(
        float(coarse.affine[axis, 3] + (index - 0.5) * coarse.affine[axis, axis])
        for axis, part in enumerate(box)
        for index in (part.start, part.stop)
    )
    return Scene((float(centre[0]), float(centre[1]), float(centre[2])), field, window)  # type: ignore[arg-type]


def cut(volume: Volume, segmentation: Segmentation, scene: Scene, view: View, pixels: tuple[int, int]) -> Plane:
    """Sample one plane with square pixels so that the scene's field fits into `pixels` (columns, rows).

    Volume and segmentation may lie on grids of their own.
    """
    (across, right), (down, below) = view.across, view.down
    low, high = np.array(scene.box[::2]), np.array(scene.box[1::2])
    size = high - low
    pixel = float(max(size[across] / pixels[0], size[down] / pixels[1]))
    columns, rows = (max(2, int(size[axis] / pixel)) for axis in (across, down))
    affine = np.zeros((4, 4))
    affine[across, 0], affine[down, 1], affine[view.normal, 2], affine[3, 3] = right * pixel, below * pixel, pixel, 1.0
    affine[:3, 3] = scene.centre
    affine[across, 3] = (high if right < 0 else low)[across] + right * pixel / 2
    affine[down, 3] = (high if below < 0 else low)[down] + below * pixel / 2
    grid = Grid((columns, rows, 1), affine)
    black, white = scene.window
    values = resample(volume, grid, float(volume.array.min())).array[:, :, 0].T
    gray = np.clip((values - black) / max(white - black, 1e-12), 0.0, 1.0).astype(np.float32)
    i, j, k = segmentation.labels.shape
    labels = resample_labels(segmentation.labels, Grid((i, j, k), segmentation.affine), grid)[:, :, 0].T
    return Plane(view, gray, labels, pixel, affine[:3, 3].copy())


def grey_window(image: NDArray[np.float32], modality: str) -> tuple[float, float]:
    """Raw values that become black and white: soft tissue on CT, else percentiles of what is no background."""
    if modality == "CT":
        return -160.0, 240.0
    inside = image[image > image.min()]
    if inside.size == 0:
        return float(image.min()), float(image.min()) + 1.0
    low, high = np.percentile(inside, (1.0, 99.5))
    return float(low), float(max(high, low + 1e-6))


def _body_box(
    image: NDArray[np.float32], labels: Labels, modality: str, window: tuple[float, float], around: int
) -> tuple[slice, slice, slice]:
    """The largest connected thing (the table stays out), but not far beyond what was found."""
    threshold = -400.0 if modality == "CT" else window[0] + 0.15 * (window[1] - window[0])
    pieces, count = ndimage.label(ndimage.binary_opening(image > threshold))
    mask = labels > 0
    found = box_of(mask)
    if count:
        mask |= pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    body = box_of(mask)
    out = list(body) if body else [slice(0, n) for n in image.shape]
    for axis, part in enumerate(found or ()):
        out[axis] = slice(max(out[axis].start, part.start - around), min(out[axis].stop, part.stop + around))
    margin = 2
    i, j, k = (slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(out, image.shape, strict=True))
    return i, j, k


def _best_slice(labels: Labels, axis: int, box: slice) -> int:
    """The slice that shows most structures, each counted by its area relative to its largest one."""
    total = np.zeros(labels.shape[axis])
    others = tuple(a for a in range(3) if a != axis)
    for value, where in enumerate(ndimage.find_objects(labels), 1):
        if where is not None:
            area = (labels[where] == value).sum(axis=others)
            total[where[axis]] += area / area.max()
    return int(total.argmax()) if total.any() else (box.start + box.stop) // 2

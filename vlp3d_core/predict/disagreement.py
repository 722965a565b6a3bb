"""The picture of a failure: two cuts where a prediction and its reference differ most, with the outlines of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.predict.drawing import BACKGROUND, INK, PAPER, bare, fit, letters, outline, scale_bar, write
from vlp3d_core.predict.planes import VIEWS, Scene, View, cut, grey_window
from vlp3d_core.predict.small_png import write_small_png
from vlp3d_core.volume.grid import Grid, model_grid, nearest_axes
from vlp3d_core.volume.placed import Placed
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, TOP, GAP, DPI = 316, 62, 8, 100
"""Edge of a panel, height of the title, space between panels, in pixels."""
AROUND_MM = 35.0
"""What is shown around the structure, as far as there is image."""
REFERENCE, PREDICTION = "#56b4e9", "#ff9d2e"
"""Blue and orange: told apart by everybody."""
KEY = "Blue: the reference; orange: the prediction."
MOST_LETTERS = 56


@dataclass(frozen=True)
class Masks(Placed):
    """One structure twice: bool, (I, J, K), on one grid; `affine` takes an index to RAS mm. One may be empty."""

    reference: NDArray[np.bool_]
    prediction: NDArray[np.bool_]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class Words:
    """What stands above the picture: of what it is, "Dice 0.12", and how much there is of either, "14.2 ml"."""

    title: str
    score: str
    reference: str
    prediction: str


def write_disagreement(volume: Volume, masks: Masks, words: Words, path: str | Path) -> None:
    """Write a PNG of at most 60 kB; the file appears complete or not at all.

    Args:
        volume: on whatever grid.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    write_small_png(
        lambda coarseness: draw_disagreement(volume, masks, words, PANEL // coarseness), (REFERENCE, PREDICTION), path
    )


def draw_disagreement(volume: Volume, masks: Masks, words: Words, pixels: int = PANEL) -> Figure:
    """The picture as a matplotlib figure (Agg; no window is opened); `pixels` of the image along a panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = 2 * PANEL + 3 * GAP, TOP + PANEL + GAP
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for number, (view, scene) in enumerate(scenes(volume, masks)):
        left = (GAP + number * (PANEL + GAP)) / width
        axes = figure.add_axes((left, GAP / height, PANEL / width, PANEL / height), facecolor=PAPER)
        _draw(axes, volume, masks, view, scene, pixels)
    title = words.title if len(words.title) <= MOST_LETTERS else words.title[: MOST_LETTERS - 1] + "…"
    style: dict[str, Any] = {"color": INK, "va": "center"}
    figure.text(GAP / width, 1 - 20 / height, title, fontsize=12.5, weight="bold", **style)
    figure.text(1 - GAP / width, 1 - 20 / height, words.score, fontsize=12.5, ha="right", **style)
    legend = ((REFERENCE, f"Reference: {words.reference}"), (PREDICTION, f"Prediction: {words.prediction}"))
    for number, (color, text) in enumerate(legend):
        left = GAP + number * (PANEL + GAP)
        figure.add_artist(_stroke(left / width, (left + 18) / width, 1 - 46 / height, color))
        figure.text((left + 26) / width, 1 - 46 / height, text, fontsize=9.5, **style)
    return figure


def scenes(volume: Volume, masks: Masks) -> tuple[tuple[View, Scene], tuple[View, Scene]]:
    """The axial cut, and the coronal or sagittal one, with the largest area on which the two masks differ."""
    grid, reference, prediction = _straight(masks)
    there, differing = reference | prediction, reference ^ prediction
    shown = differing if differing.any() else there
    step = np.diag(grid.affine)[:3]
    areas = [shown.sum(axis=tuple(a for a in range(3) if a != axis)) * np.prod(step) / step[axis] for axis in range(3)]
    index = np.array([int(area.argmax()) for area in areas])
    r, a, s = (float(v) for v in grid.affine[:3, 3] + step * index)
    scene = Scene((r, a, s), Grid.of(volume).bounds, grey_window(volume.array, volume.modality))
    ends = np.array([(where.min() - 0.5, where.max() + 0.5) for where in np.nonzero(there)])
    extent = grid.affine[:3, 3, None] + step[:, None] * ends
    axial, coronal, sagittal = VIEWS
    side = max((coronal, sagittal), key=lambda view: areas[view.normal].max())
    return (axial, _around(scene, extent, axial)), (side, _around(scene, extent, side))


def _straight(masks: Masks) -> tuple[Grid, NDArray[np.bool_], NDArray[np.bool_]]:
    """The part of the masks that holds something, along R, A and S."""
    i, j, k = masks.reference.shape
    grid = Grid((i, j, k), masks.affine)
    first, last = (np.array([f(w) for w in np.nonzero(masks.reference | masks.prediction)]) for f in (np.min, np.max))
    affine = masks.affine.copy()
    affine[:3, 3] += masks.affine[:3, :3] @ first
    i, j, k = (int(n) for n in last - first + 1)
    spacing = [grid.spacing[axis] for axis in nearest_axes(grid.affine)]
    part = model_grid(Grid((i, j, k), affine), spacing)
    reference, prediction = (
        resample_labels(mask.astype(np.uint8), grid, part).astype(bool) for mask in (masks.reference, masks.prediction)
    )
    return part, reference, prediction


def _around(scene: Scene, extent: NDArray[np.float64], view: View) -> Scene:
    """A square about the structure, moved into the image; smaller where the image is.

    Args:
        extent: of the structure, mm, shape (3, 2).
    """
    bounds = np.array(scene.box).reshape(3, 2)
    edges = bounds.copy()
    plane = [view.across[0], view.down[0]]
    side = float(np.ptp(extent[plane], axis=1).max()) + 2 * AROUND_MM
    for axis in plane:
        low, high = bounds[axis]
        size = min(side, high - low)
        start = np.clip(extent[axis].mean() - size / 2, low, high - size)
        edges[axis] = start, start + size
    r0, r1, a0, a1, s0, s1 = (float(v) for v in edges.ravel())
    return replace(scene, box=(r0, r1, a0, a1, s0, s1))


def _draw(axes: Axes, volume: Volume, masks: Masks, view: View, scene: Scene, pixels: int) -> None:
    bare(axes)
    # One after the other: in a map of both, neighbours would decide together where the border of each lies.
    for mask, color, width in ((masks.reference, REFERENCE, 2.0), (masks.prediction, PREDICTION, 1.3)):
        one = Segmentation(mask.astype(np.uint8), masks.affine, ())
        plane = cut(volume, one, scene, view, (pixels, pixels))
        outline(axes, plane.labels > 0, color, width)
    axes.imshow(plane.gray, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    rows, columns = plane.gray.shape
    fit(axes, columns, rows)
    letters(axes, view.letters, 11)
    write(axes, 0.03, 0.965, f"{view.name} {'RAS'[view.normal]} {scene.centre[view.normal]:.3g} mm", fontsize=8.5)
    scale_bar(axes, plane.pixel, 8.5)


def _stroke(left: float, right: float, height: float, color: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([left, right], [height, height], color=color, linewidth=2.5)

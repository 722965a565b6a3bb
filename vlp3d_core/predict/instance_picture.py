"""The picture of a wrong instance: image, reference and what was found, side by side, with its outline on all three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.predict.drawing import BACKGROUND, INK, PAPER, bare, outline, scale_bar
from vlp3d_core.predict.small_png import write_small_png
from vlp3d_core.volume.segmentation import instance_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL, TOP, GAP, DPI = 280, 62, 8, 100
"""Edge of a panel, height of the title, space between panels, in pixels."""
COLORS = tuple(instance_color(number) for number in range(1, 37))
OUTLINE = "#ffffff"
KEY = "Outlined: that instance; other colours tell instances apart and nothing else."


@dataclass(frozen=True)
class Slice:
    """One slice, (I, J) along R and A.

    Attributes:
        image: grey values, -1 is black and 1 white.
        reference, found: instances, 0 is none.
        outlined: what the picture is about.
        spacing: mm along R and A.
    """

    image: NDArray[np.floating[Any]]
    reference: NDArray[np.integer[Any]]
    found: NDArray[np.integer[Any]]
    outlined: NDArray[np.bool_]
    spacing: tuple[float, float]


def write_instances(shown: Slice, title: str, score: str, path: str | Path) -> None:
    """Write a PNG of at most 60 kB; the file appears complete or not at all.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    colors = [*(tuple(value / 255 for value in color) for color in COLORS), OUTLINE]
    write_small_png(lambda coarseness: draw_instances(shown, title, score, coarseness), colors, path)


def draw_instances(shown: Slice, title: str, score: str, coarseness: int = 1) -> Figure:
    """The picture as a matplotlib figure (Agg); the image shows every `coarseness`-th voxel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = 3 * PANEL + 4 * GAP, TOP + PANEL + GAP
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    style: dict[str, Any] = {"color": INK, "va": "center"}
    figure.text(GAP / width, 1 - 20 / height, title, fontsize=12.5, weight="bold", **style)
    figure.text(1 - GAP / width, 1 - 20 / height, score, fontsize=12.5, ha="right", **style)
    image = np.clip((_seen(shown.image)[::coarseness, ::coarseness].astype(np.float32) + 1) / 2, 0, 1)
    rows, columns = _seen(shown.image).shape
    panels: dict[str, NDArray[np.float32]] = {
        "Image": np.repeat(image[..., None], 3, axis=2),
        "Reference": _colored(_seen(shown.reference)),
        "Found": _colored(_seen(shown.found)),
    }
    for number, (name, colors) in enumerate(panels.items()):
        left = GAP + number * (PANEL + GAP)
        figure.text(left / width, 1 - 46 / height, name, fontsize=9.5, **style)
        axes = figure.add_axes((left / width, GAP / height, PANEL / width, PANEL / height), facecolor=PAPER)
        bare(axes)
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axes.imshow(colors, interpolation="nearest", extent=extent, aspect=shown.spacing[1] / shown.spacing[0])
        outline(axes, _seen(shown.outlined), OUTLINE, 1.5)
        axes.set(xlim=extent[:2], ylim=extent[2:])
        scale_bar(axes, shown.spacing[0], 8.5)
    return figure


def _seen(plane: NDArray[Any]) -> NDArray[Any]:
    """As all our pictures: the patient's right on the left, the front above."""
    return plane[::-1, ::-1].T


def _colored(labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """RGB; nothing is black."""
    table: Sequence[tuple[int, int, int]] = ((0, 0, 0), *COLORS)
    place = np.where(labels > 0, 1 + labels % len(COLORS), 0)
    colors: NDArray[np.float32] = np.array(table, np.float32) / np.float32(255)
    return colors[place]

"""The picture of a result: three planes with what was found on them, its surfaces, and a legend with numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.files import replacing
from vlp3d_core.predict.drawing import BACKGROUND, FAINT, INK, PAPER, bare, fit, letters, outline, scale_bar, write
from vlp3d_core.predict.planes import VIEWS, Plane, Scene, choose_scene, cut
from vlp3d_core.predict.surface import render
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.segmentation import Segment, Segmentation
from vlp3d_core.volume.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DPI = 1600, 1160, 100
PANEL, TOP, GAP = 560, 84, 12
"""Edge of a panel, height of the title, space between panels, in pixels."""
MOST_ROWS = 40
PIXELS = 340
"""Longer side of the rendered surfaces; they are drawn larger, smoothly."""


def write_overview(volume: Volume, segmentation: Segmentation, path: str | Path, title: str = "") -> None:
    """Write a PNG of 1600 × 1160 pixels; the file appears complete or not at all.

    Args:
        segmentation: on the volume's grid, whatever its orientation.
        title: what stands above it; the model's name where it is empty.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    figure = draw_overview(volume, segmentation, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", facecolor=BACKGROUND, metadata={"Software": "MedVLP"})


def draw_overview(volume: Volume, segmentation: Segmentation, title: str = "") -> Figure:
    """The picture as a matplotlib figure (Agg; no window is opened)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    scene = choose_scene(volume, segmentation)
    places = [(0, 0), (1, 0), (0, 1)]
    for view, place in zip(VIEWS, places, strict=True):
        plane = cut(volume, segmentation, scene, view, (PANEL, PANEL))
        _draw_plane(_panel(figure, *place), plane, scene, segmentation.segments)
    _draw_surface(_panel(figure, 1, 1), segmentation, Grid.of(volume))
    _draw_title(figure, title or segmentation.model, segmentation)
    _draw_legend(figure, segmentation.segments)
    return figure


def _panel(figure: Figure, column: int, row: int) -> Axes:
    left = GAP + column * (PANEL + GAP)
    top = TOP + row * (PANEL - 40 + GAP)
    box = (left / WIDTH, 1 - (top + PANEL - 40) / HEIGHT, PANEL / WIDTH, (PANEL - 40) / HEIGHT)
    axes = figure.add_axes(box, facecolor=PAPER)
    bare(axes)
    return axes


def _draw_plane(axes: Axes, plane: Plane, scene: Scene, segments: tuple[Segment, ...]) -> None:
    rows, columns = plane.gray.shape
    axes.imshow(plane.gray, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    fill = np.zeros((rows, columns, 4), np.float32)
    for segment in segments:
        mask = plane.labels == segment.value
        if not mask.any():
            continue
        color = np.array(segment.color) / 255
        fill[mask] = (*color, 0.38)
        outline(axes, mask, tuple(color), 1.4)
    axes.imshow(fill, interpolation="nearest")
    for draw, place in ((axes.axvline, plane.column(scene.centre)), (axes.axhline, plane.row(scene.centre))):
        draw(place, color="#58a6ff", linewidth=0.6, alpha=0.45, linestyle=(0, (6, 6)))
    fit(axes, columns, rows)
    letters(axes, plane.view.letters)
    axis = plane.view.normal
    _caption(axes, f"{plane.view.name}   {'RAS'[axis]} {scene.centre[axis]:.1f} mm")
    scale_bar(axes, plane.pixel)


def _caption(axes: Axes, text: str) -> None:
    write(axes, 0.02, 0.965, text, fontsize=11.5)


def _draw_surface(axes: Axes, segmentation: Segmentation, grid: Grid) -> None:
    colors = {s.value: s.color for s in segmentation.segments if s.found}
    picture = render(segmentation.labels, grid, colors, PIXELS) if colors else None
    if picture is None:
        axes.text(0.5, 0.5, "Nothing found", transform=axes.transAxes, color=FAINT, fontsize=18, ha="center")
        return
    rows, columns = picture.shape[:2]
    margin = round(0.05 * max(rows, columns))
    axes.imshow(picture, interpolation="bicubic")
    fit(axes, columns, rows + 2 * margin)
    axes.set_ylim(*(value - margin for value in axes.get_ylim()))
    letters(axes, ("R", "L", "S", "I"))
    _caption(axes, "Surfaces")


def _draw_title(figure: Figure, title: str, segmentation: Segmentation) -> None:
    found = sum(s.found for s in segmentation.segments)
    path = segmentation.source.path
    facts = [f"{found} of {len(segmentation.segments)} structures found"]
    facts += [f"model {segmentation.model}"] if segmentation.model and title != segmentation.model else []
    facts += [path.name] if path is not None else []
    height = 1 - 36 / HEIGHT
    figure.text(GAP / WIDTH, height, title, color=INK, fontsize=20, weight="bold", va="center")
    figure.text(GAP / WIDTH, height - 30 / HEIGHT, "   ·   ".join(facts), color=FAINT, fontsize=12, va="center")
    figure.text(
        1 - 20 / WIDTH, 14 / HEIGHT, "For research; not a medical device", color=FAINT, fontsize=9.5, ha="right"
    )


def _draw_legend(figure: Figure, segments: tuple[Segment, ...]) -> None:
    left = 2 * (PANEL + GAP) + 2 * GAP
    axes = figure.add_axes((left / WIDTH, 40 / HEIGHT, (WIDTH - left - 20) / WIDTH, 1 - (TOP + 40) / HEIGHT))
    axes.set_axis_off()
    width, height = WIDTH - left - 20, HEIGHT - TOP - 40
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    # What was found first: where there is no room for all, nothing that is in the picture is left out before the rest.
    rows = sorted(segments, key=lambda s: not s.found)
    shown = rows[:MOST_ROWS]
    step = min(44.0, (height - 60) / max(len(shown) + (len(rows) > MOST_ROWS), 1))
    size = min(14.0, step * 0.36)
    style: dict[str, Any] = {"va": "center", "fontsize": size}
    for text, x in (("ml", width - 86), ("score", width)):
        axes.text(x, 14, text, color=FAINT, ha="right", **style)
    for number, segment in enumerate(shown):
        y = 44 + number * step
        _legend_row(axes, segment, y, width, step, style)
    if len(rows) > MOST_ROWS:
        axes.text(0, 44 + len(shown) * step, f"and {len(rows) - MOST_ROWS} more", color=FAINT, **style)


def _legend_row(axes: Axes, segment: Segment, y: float, width: float, step: float, style: dict[str, Any]) -> None:
    from matplotlib.patches import FancyBboxPatch

    color = tuple(value / 255 for value in segment.color)
    edge = 0.5 * step
    face = color if segment.found else "none"
    shape = "round,pad=0,rounding_size=4"
    axes.add_patch(FancyBboxPatch((1, y - edge / 2), edge, edge, boxstyle=shape, facecolor=face, edgecolor=color))
    ink = INK if segment.found else FAINT
    name = segment.name if len(segment.name) <= 26 else segment.name[:25] + "…"
    axes.text(edge + 14, y, name, color=ink, **style)
    if segment.found:
        axes.text(width - 86, y, f"{segment.volume_ml:.1f}", color=ink, ha="right", **style)
    axes.text(width, y, f"{segment.score:.2f}" if segment.found else "nothing found", color=ink, ha="right", **style)

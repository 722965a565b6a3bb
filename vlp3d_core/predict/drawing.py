"""What the pictures share: how a cut is drawn on matplotlib's axes, and what is written on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BACKGROUND, PAPER, INK, FAINT = "#0d1117", "#000000", "#e6edf3", "#8b949e"


def outline(axes: Axes, mask: NDArray[np.bool_], color: Any, width: float) -> None:
    """Draw around a mask (rows, columns), its corners a little rounded; an empty mask has no outline."""
    if not mask.any():
        return
    rows, columns = mask.shape
    smooth = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), 1.0)
    across, down = np.arange(-2, columns + 2), np.arange(-2, rows + 2)
    axes.contour(across, down, smooth, levels=[0.5], colors=[color], linewidths=width, antialiased=True)


def bare(axes: Axes) -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def fit(axes: Axes, columns: int, rows: int) -> None:
    """Square pixels, centred in the panel."""
    box = axes.get_window_extent()
    ratio = box.width / box.height
    wide = max(columns, rows * ratio)
    high = wide / ratio
    axes.set_xlim(columns / 2 - 0.5 - wide / 2, columns / 2 - 0.5 + wide / 2)
    axes.set_ylim(rows / 2 - 0.5 + high / 2, rows / 2 - 0.5 - high / 2)
    axes.set_aspect("equal")


def letters(axes: Axes, around: tuple[str, str, str, str], size: float = 15) -> None:
    """What lies left, right, above and below."""
    places = ((0.022, 0.5), (0.978, 0.5), (0.5, 0.965), (0.5, 0.035))
    for letter, (x, y) in zip(around, places, strict=True):
        write(axes, x, y, letter, fontsize=size, ha="center", weight="bold")


def write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Text that can be read on black and on bone; `x` and `y` are parts of the panel."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground=PAPER, alpha=0.8)]
    axes.text(x, y, text, transform=axes.transAxes, color=INK, va="center", path_effects=halo, **style)


def scale_bar(axes: Axes, pixel: float, size: float = 10) -> None:
    """A round length of at most a fifth of the panel; `pixel` is the edge of one in mm."""
    left, right = axes.get_xlim()
    room = (right - left) * pixel / 5
    exponent = 10.0 ** np.floor(np.log10(room))
    length = max(n * exponent for n in (1, 2, 5) if n * exponent <= room)
    share = length / pixel / (right - left)
    ends = ([0.97 - share, 0.97], [0.035, 0.035])
    style: dict[str, Any] = {"transform": axes.transAxes, "solid_capstyle": "butt"}
    for color, width in ((PAPER, 4.5), (INK, 2.5)):
        axes.plot(*ends, color=color, linewidth=width, **style)
    above = 0.035 + 1.3 * size / axes.get_window_extent().height
    text = f"{length:g} mm" if length >= 0.1 else f"{1000 * length:g} µm"
    write(axes, 0.97 - share / 2, above, text, fontsize=size, ha="center")

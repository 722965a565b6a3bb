"""Pictures for a repository, where they stay for ever: small PNGs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.files import replacing
from vlp3d_core.predict.drawing import BACKGROUND, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 60_000


def write_small_png(draw: Callable[[int], Figure], colors: Sequence[Any], path: str | Path) -> None:
    """Write a PNG of at most `MOST_BYTES`; the file appears complete or not at all.

    Args:
        draw: the figure (Agg), with images of 1, 2 or 4 times coarser pixels.
        colors: all that are in it besides greys, as matplotlib names colours; 50 at most.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    # Noise takes most of the bytes: first greys go, then pixels.
    for coarseness, greys in product((1, 2, 4), (96, 48, 24)):
        content = _png(draw(coarseness), colors, greys)
        if len(content) <= MOST_BYTES:
            break
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _png(figure: Figure, colors: Sequence[Any], greys: int) -> bytes:
    from PIL import Image

    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")  # type: ignore[attr-defined]
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette(colors, greys).tobytes())
    buffer = io.BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _palette(colors: Sequence[Any], greys: int) -> NDArray[np.uint8]:
    """Greys and the colours, those also thinned on dark and light ground. RGB, shape (N, 3).

    A palette that is drawn from the picture itself loses the colour of a thin line.
    """
    from matplotlib.colors import to_rgb

    levels = np.linspace(0, 1, greys)[:, None].repeat(3, axis=1)
    full = np.array([to_rgb(color) for color in colors])
    palette = [np.array([to_rgb(BACKGROUND), to_rgb(INK)]), levels, full, 0.6 * full, 0.6 * full + 0.4]
    return np.round(255 * np.concatenate(palette)).astype(np.uint8)

"""The curves of a run from its metrics file, as pictures that need nothing else."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COLUMNS, WIDTH, HEIGHT = 3, 3.4, 2.3
"""Curves in a row; size of one in inches."""
SKIPPED = ("step", "epoch")


@dataclass(frozen=True)
class Curve:
    """Values by step, steps ascending."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def read_curves(path: Path) -> dict[str, Curve]:
    """What Lightning's CSV logger wrote; a step that was run twice counts as it went the last time.

    A file that is missing, or lines that cannot be read, give no curve: the page of a run shall not fail over them.
    """
    found: dict[str, dict[int, float]] = {}
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    for row in rows:
        step = _number(row.get("step"))
        if step is None or not math.isfinite(step):
            continue
        for name, text in row.items():
            value = _number(text) if isinstance(name, str) and name not in SKIPPED else None
            if value is not None:
                found.setdefault(name, {})[int(step)] = value
    return {name: Curve(*zip(*sorted(points.items()), strict=True)) for name, points in sorted(found.items())}


def draw_curves(curves: Mapping[str, Curve]) -> str:
    """All of them in small pictures side by side, as the data URI of one SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = math.ceil(len(curves) / COLUMNS)
    # Paths instead of letters: the page shall look the same without the fonts.
    with mpl.rc_context({"svg.hashsalt": "vlp3d", "svg.fonttype": "path", "font.size": 8}):
        figure = Figure(figsize=(COLUMNS * WIDTH, rows * HEIGHT), layout="constrained")
        for place, (name, curve) in enumerate(curves.items(), 1):
            axes = figure.add_subplot(rows, COLUMNS, place)
            axes.plot(
                curve.steps, curve.values, linewidth=1.2, marker="." if len(curve.steps) < 30 else "", color="#1f5fa8"
            )
            axes.set_title(name, fontsize=9, parse_math=False)
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _number(text: object) -> float | None:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None

"""The picture of a grid of runs: error over subjects and over parameters, log-log, with laws and their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlp3d_core.evaluate.scaling import Curve, Scaling
from vlp3d_core.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {"subjects": "training subjects", "encoder_parameters": "parameters of the encoder"}
WIDTH, HEIGHT, DPI = 5.4, 4.2, 130
"""Of one panel, in inches."""


def write_scaling_picture(result: Scaling, path: Path) -> None:
    """Write a PNG; the file appears complete or not at all.

    Points are means over seeds with their standard deviation, small ones single runs. The line is the saturating law
    where it was fitted, else the plain one, its shade the law's 95 % interval.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {over: [c for c in result.curves if c.over == over] for over in PANELS}
    varied = [over for over in PANELS if any(len({getattr(r, over) for r in c.runs}) > 1 for c in shown[over])]
    panels = varied or ["subjects"]
    figure = Figure(figsize=(len(panels) * WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for place, over in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        colours = colormaps["viridis"](np.linspace(0, 0.85, len(shown[over])))
        for curve, colour in zip(shown[over], colours, strict=True):
            _draw(axes, curve, colour)
        _dress(axes, result, over)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": "MedVLP"})


def _draw(axes: Axes, curve: Curve, colour: np.ndarray) -> None:
    n = np.array([getattr(run, curve.over) for run in curve.runs], float)
    error = np.array([run.error for run in curve.runs])
    places = np.unique(n)
    means = np.array([error[n == place].mean() for place in places])
    spread = np.array([error[n == place].std(ddof=1) if (n == place).sum() > 1 else 0.0 for place in places])
    law = curve.laws.saturating or curve.laws.power
    label = curve.title
    if law is not None:
        label += f": exponent {law.values['b']:.2f}" + (
            f", floor {law.values['c']:.2f}" if law.form == "saturating" else ""
        )
        line = np.geomspace(places[0], places[-1], 60)
        axes.plot(line, law(line), color=colour, linewidth=1.4)
        axes.fill_between(line, *law.band(line), color=colour, alpha=0.15, linewidth=0)
    axes.plot(n, error, ".", color=colour, markersize=4, alpha=0.6)
    # Downwards no farther than a logarithm goes.
    below = np.minimum(spread, 0.95 * means)
    axes.errorbar(places, means, yerr=[below, spread], fmt="o", color=colour, markersize=6, capsize=3, label=label)


def _dress(axes: Axes, result: Scaling, over: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    errors = [run.error for run in result.runs if run.error > 0] or [1.0]
    axes.set_xscale("log")
    axes.set_yscale("log")
    # The intervals of few runs reach far beyond the runs themselves, which shall stay in sight.
    axes.set_ylim(min(errors) / 1.6, max(errors) * 1.6)
    values = sorted({getattr(run, over) for run in result.runs})
    axes.set_xticks(values, [f"{v:,}" for v in values])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(PANELS[over])
    axes.set_ylabel(f"{result.error} on {result.facts.get('split', 'the split')}")
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)

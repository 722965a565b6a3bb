"""The result of a grid of runs: means over seeds, laws over data and over parameters, as table, JSON and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlp3d_core.evaluate.power_law import Laws, fit_laws
from vlp3d_core.files import replacing


@dataclass(frozen=True)
class ScaledRun:
    """One cell of a grid.

    Attributes:
        fraction, size, seed: its place in the grid; folder is its name there.
        subjects, volumes: that it was trained on.
        encoder_parameters, parameters: of the encoder, which the size widens, and of the whole network.
        error: what the laws are fitted to, the lower the better.
        metrics: what else was measured, by name.
    """

    folder: str
    fraction: float
    size: float
    seed: int
    subjects: int
    volumes: int
    encoder_parameters: int
    parameters: int
    error: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """The runs of one fraction and size: means and, from two seeds on, sample standard deviations by metric."""

    fraction: float
    size: float
    subjects: int
    encoder_parameters: int
    seeds: int
    mean: dict[str, float]
    sd: dict[str, float] | None


@dataclass(frozen=True)
class Curve:
    """The runs of one size over data, or of one fraction over parameters.

    Attributes:
        over: "subjects" or "encoder_parameters": what n of the laws is.
        fixed: the size, or the fraction.
        runs: of the curve.
        laws: what could be fitted.
    """

    over: str
    fixed: float
    runs: tuple[ScaledRun, ...]
    laws: Laws

    @property
    def title(self) -> str:
        """For people."""
        return f"size {self.fixed:g}" if self.over == "subjects" else f"fraction {self.fixed:g}"


@dataclass(frozen=True)
class Scaling:
    """Everything that a grid says.

    Attributes:
        error: name of the error for people.
        facts: what the numbers rest on: recipe, steps, manifest, split, start.
    """

    error: str
    facts: dict[str, Any]
    runs: tuple[ScaledRun, ...]
    groups: tuple[Group, ...]
    curves: tuple[Curve, ...]

    def to_json(self) -> dict[str, Any]:
        """`facts`, `error`, `runs` and `groups` as they are, and of each curve its laws, or why there are none."""
        return {
            "format": 1,
            "kind": "scaling",
            **self.facts,
            "error": self.error,
            "runs": [asdict(run) for run in self.runs],
            "groups": [asdict(group) for group in self.groups],
            "curves": [
                {
                    "over": curve.over,
                    "size" if curve.over == "subjects" else "fraction": curve.fixed,
                    "power": curve.laws.power and curve.laws.power.to_json(),
                    "saturating": curve.laws.saturating and curve.laws.saturating.to_json(),
                    "not_fitted": list(curve.laws.why),
                }
                for curve in self.curves
            ],
        }


def scaling(runs: Sequence[ScaledRun], error: str, facts: dict[str, Any]) -> Scaling:
    """Means over seeds, a curve over subjects for each size, and one over parameters for each fraction."""
    runs = sorted(runs, key=lambda r: (r.size, r.fraction, r.seed))
    groups = []
    for size, part in sorted({(r.size, r.fraction) for r in runs}):
        groups.append(_group([r for r in runs if (r.size, r.fraction) == (size, part)]))
    curves = [_curve("subjects", size, [r for r in runs if r.size == size]) for size in sorted({r.size for r in runs})]
    for part in sorted({r.fraction for r in runs}):
        curves.append(_curve("encoder_parameters", part, [r for r in runs if r.fraction == part]))
    return Scaling(error, facts, tuple(runs), tuple(groups), tuple(curves))


def _group(runs: Sequence[ScaledRun]) -> Group:
    first, count = runs[0], len(runs)
    table = {"error": [r.error for r in runs]} | {k: [r.metrics[k] for r in runs] for k in first.metrics}
    mean = {k: float(np.mean(v)) for k, v in table.items()}
    sd = {k: float(np.std(v, ddof=1)) for k, v in table.items()} if count > 1 else None
    return Group(first.fraction, first.size, first.subjects, first.encoder_parameters, count, mean, sd)


def _curve(over: str, fixed: float, runs: Sequence[ScaledRun]) -> Curve:
    laws = fit_laws([getattr(r, over) for r in runs], [r.error for r in runs])
    words = "numbers of subjects" if over == "subjects" else "numbers of parameters"
    return Curve(
        over,
        fixed,
        tuple(runs),
        replace(laws, why=tuple(w.replace("different n", f"different {words}") for w in laws.why)),
    )


def table_rows(result: Scaling) -> tuple[list[str], list[list[str]]]:
    """Heads and rows for people: mean ± standard deviation over seeds."""
    names = [*result.groups[0].mean]
    heads = ["fraction", "subjects", "size", "encoder parameters", "seeds"]
    heads += [result.error if name == "error" else name for name in names]
    rows = []
    for group in result.groups:
        cells = [f"{group.mean[k]:.3f}" + (f" ± {group.sd[k]:.3f}" if group.sd else "") for k in names]
        numbers = [f"{group.fraction:g}", str(group.subjects), f"{group.size:g}", f"{group.encoder_parameters:,}"]
        rows.append([*numbers, str(group.seeds), *cells])
    return heads, rows


def law_lines(result: Scaling) -> list[str]:
    """One sentence a law, or why there is none."""
    lines = []
    for curve in result.curves:
        over = "subjects" if curve.over == "subjects" else "encoder parameters"
        for law in (curve.laws.power, curve.laws.saturating):
            if law is not None:
                a, b, c = law.values.values()
                low, high = law.interval95["b"] or (float("nan"),) * 2
                text = f"{a:.3g}·n^{-b:.3f}" + (f" + {c:.3f}" if law.form == "saturating" else "")
                text += f"; exponent {b:.3f} [{low:.3f}, {high:.3f}]"
                if law.form == "saturating":
                    text += ", floor {:.3f} [{:.3f}, {:.3f}]".format(c, *(law.interval95["c"] or (float("nan"),) * 2))
                if not low > 0:
                    text += ": whether it falls at all cannot be told"
                lines.append(f"{curve.title}, n = {over}: {text} ({law.runs} runs)")
        lines += [f"{curve.title}, n = {over}: {why}" for why in curve.laws.why]
    return lines


def write_scaling_json(result: Scaling, path: Path) -> None:
    """Raises MedVLPError where it cannot be written."""
    text = json.dumps(result.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_scaling_csv(result: Scaling, path: Path) -> None:
    """One line a run. Raises MedVLPError where it cannot be written."""
    lines = []
    for run in result.runs:
        row = asdict(run)
        lines.append({**row, **row.pop("metrics")})
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, fieldnames=[k for k in lines[0] if k != "metrics"], lineterminator="\n", extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(lines)

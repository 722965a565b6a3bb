"""Scores on paper: a text table for people, CSV and JSON for machines."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

from vlp3d_core.evaluate.segmentation import SegmentationScores
from vlp3d_core.evaluate.summary import Statistic, StructureSummary
from vlp3d_core.files import replacing

_COLUMNS = {"dice": 3, "surface_dice": 3, "hd95_mm": 1, "volume_error_ml": 1, "volume_error_relative": 2}


def text_table(scores: SegmentationScores) -> str:
    """Aligned columns: mean ± standard deviation and, in brackets, the 95 % interval of the mean."""
    heads = ["structure", "n", "missed", "Dice", f"surface Dice {scores.tolerance_mm:g} mm", "HD95 mm"]
    heads += ["volume error ml", "relative"]
    # Adding up ml of large and small organs says nothing; the mean row leaves it out.
    body = [_cells(summary) for summary in scores.structures]
    mean = _cells(scores.mean)
    mean[heads.index("volume error ml")] = "-"
    grid = [heads, *body, mean]
    widths = [max(len(row[column]) for row in grid) for column in range(len(heads))]
    lines = ["  ".join(_padded(row, widths)) for row in grid]
    rule = "-" * len(lines[0])
    lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    return "\n".join(line.rstrip() for line in [*lines, "", *_footnotes(scores)]) + "\n"


def write_json(scores: SegmentationScores, path: str | Path) -> None:
    """Everything in one JSON file. Raises MedVLPError where it cannot be written."""
    text = json.dumps(scores.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(scores: SegmentationScores, path: str | Path) -> None:
    """One line per case and structure; empty where there is no number. Raises MedVLPError."""
    lines = [
        {"subject": row.subject, "case": row.case, "structure": row.structure} | asdict(row.score)
        for row in scores.rows
    ]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _cells(summary: StructureSummary) -> list[str]:
    numbers = [_number(summary.metrics[metric], digits) for metric, digits in _COLUMNS.items()]
    return [summary.structure, str(summary.n), str(summary.missed), *numbers]


def _number(value: Statistic, digits: int) -> str:
    if value.mean is None:
        return "-"
    text = f"{value.mean:.{digits}f}"
    if value.sd is not None:
        text += f" ± {value.sd:.{digits}f}"
    if value.low is not None and value.high is not None:
        text += f" [{value.low:.{digits}f}, {value.high:.{digits}f}]"
    return text


def _padded(row: list[str], widths: list[int]) -> list[str]:
    left = row[0].ljust(widths[0])
    return [left, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _footnotes(scores: SegmentationScores) -> list[str]:
    lines = [
        f"{scores.cases} cases of {scores.subjects} subjects. Mean ± standard deviation over cases (last line: over "
        f"structures) [95 % interval, bootstrap by subject, {scores.resamples} resamples, seed {scores.seed}].",
        "Structures that were not contoured in a case are left out there. Missed: Dice and surface Dice 0, no HD95.",
    ]
    alarms = sum(summary.false_alarms for summary in scores.structures)
    if alarms:
        lines.append(f"{alarms} structures were painted where the reference says there is none: Dice 0, no HD95.")
    return [*lines, *scores.notes]

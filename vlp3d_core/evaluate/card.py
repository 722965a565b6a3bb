"""Measured scores in a model's card: the numbers and what they rest on, without the rows of single patients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = ("dice", "surface_dice", "hd95_mm")
SUMMARY = ("structure", "n", "missed", "false_alarms", "absent")
DIGITS = 4


def add_scores(folder: str | Path, split: str, scores: Mapping[str, Any], command: str = "") -> None:
    """Put the scores of a split into the card of a bundle, in the place of earlier ones of that split.

    Args:
        folder: the bundle.
        split: "train", "validation" or "test".
        scores: as `SegmentationScores.to_json` gives them.
        command: what a reader types to measure them again.

    Raises:
        MedVLPError: it is not a bundle, or its card cannot be written.
    """
    from vlp3d_core.model.bundle import read_bundle, write_card  # imports torch

    card = read_bundle(folder).card
    write_card(Path(folder), {**card, "scores": {**card["scores"], split: compact(scores, command)}})


def compact(scores: Mapping[str, Any], command: str = "") -> dict[str, Any]:
    """The summaries, per structure and over structures, with `METRICS` rounded to `DIGITS`."""
    keys = ("kind", "cases", "subjects", "tolerance_mm", "interval", "notes")
    return {
        **{key: scores[key] for key in keys},
        **({"command": command} if command else {}),
        "mean": _summary(scores["mean"]),
        "structures": [_summary(summary) for summary in scores["structures"]],
    }


def _summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {name: _rounded(summary["metrics"][name]) for name in METRICS}
    return {**{key: summary[key] for key in SUMMARY}, "metrics": metrics}


def _rounded(statistic: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in statistic.items()}

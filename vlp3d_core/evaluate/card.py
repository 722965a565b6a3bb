"""Measured scores in a model's card: the numbers and what they rest on, without the rows of single patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.special import expit, logit

from vlp3d_core.evaluate.calibration import Bin, Calibration
from vlp3d_core.evaluate.refusal import RefusalScores

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
    put_scores(folder, split, compact(scores, command))


def put_scores(folder: str | Path, split: str, scores: Mapping[str, Any]) -> None:
    """Put scores into the card as they are; raises what `add_scores` raises."""
    from vlp3d_core.model.bundle import read_bundle, write_card

    card = read_bundle(folder).card
    write_card(Path(folder), {**card, "scores": {**card["scores"], split: dict(scores)}})


def put_failures(folder: str | Path, split: str, pictures: Sequence[Mapping[str, Any]], command: str) -> None:
    """Put pictures of failures, as `worst.Failure.to_json` gives them, into the card in the place of earlier ones.

    The card names the files; they lie in a folder of the model's name beside its page.

    Raises:
        MedVLPError: it is not a bundle, or its card cannot be written.
    """
    from vlp3d_core.model.bundle import read_bundle, write_card

    failures = {"split": split, "command": command, "pictures": list(pictures)}
    write_card(Path(folder), {**read_bundle(folder).card, "failures": failures})


def write_calibration(folder: str | Path, ece_before: float, after: Calibration, command: str) -> None:
    """Put a temperature, and what it was measured by, into the card of a bundle, in the place of an earlier one.

    Args:
        ece_before: the expected calibration error at a temperature of 1.
        after: at the new temperature.

    Raises:
        MedVLPError: it is not a bundle, or its card cannot be written.
    """
    from vlp3d_core.model.bundle import read_bundle, write_card

    bundle = read_bundle(folder)
    field, temperature = dict(bundle.card["field"]), round(after.temperature, DIGITS)
    if field.get("anchor_score"):
        # Scores get smaller; what an anchor must reach gets smaller with them, so that the same volumes are refused.
        moved = expit(logit(field["anchor_score"]) * bundle.temperature / temperature)
        field["anchor_score"] = round(float(moved), DIGITS)
    calibration = {
        "split": "validation",
        "command": command,
        "cases": after.cases,
        "voxels": after.voxels,
        "ece_before": round(ece_before, DIGITS),
        "ece": round(after.ece, DIGITS),
        "ece95": [round(end, DIGITS) for end in after.ece95] if after.ece95 else None,
        "bins": _reliability(after.bins),
        "structures": _reliability(after.structures),
    }
    card = {**bundle.card, "field": field, "temperature": temperature, "calibration": calibration}
    write_card(Path(folder), card)


def _reliability(bins: Sequence[Bin]) -> list[dict[str, Any]]:
    rows = [{"claimed": round(b.claimed, DIGITS), "right": round(b.right, DIGITS), "voxels": b.voxels} for b in bins]
    return [{"name": b.name, **row} if b.name else row for b, row in zip(bins, rows, strict=True)]


def write_refusal(
    folder: str | Path, field: Mapping[str, Any], split: str, scores: RefusalScores, command: str
) -> None:
    """Put into the card of a bundle how well it tells its field from others, and the field that this was measured with.

    Raises:
        MedVLPError: it is not a bundle, or its card cannot be written.
    """
    from vlp3d_core.model.bundle import read_bundle, write_card

    card = read_bundle(folder).card
    rows = [
        {
            "kind": row.kind,
            "volumes": row.volumes,
            "auroc": round(row.auroc, DIGITS),
            "auroc95": [round(end, DIGITS) for end in row.auroc95] if row.auroc95 else None,
            "refused": row.refused,
        }
        for row in scores.rows
    ]
    measured = {"command": command, "inside": scores.inside, "taken": scores.kept, "others": rows}
    write_card(Path(folder), {**card, "field": field, "refusal": {**card.get("refusal", {}), split: measured}})


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

"""The model for a volume among those that are installed: cheap rules first, and what it shows where several remain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.field import shows_field
from vlp3d_core.model.fitting import Facts, apart, lengths, misfit, needs
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.predict.loaded import load_model
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.volume.grid import Box, Grid
from vlp3d_core.volume.volume import Volume

LOOK = 96
"""Voxels of a model, along each axis, of the middle of a volume: what is looked at to learn what it shows."""
NAMED = 3
"""Anchors that are named in a reason."""


@dataclass(frozen=True)
class Chosen:
    """A model, and why, in one line."""

    bundle: Bundle
    reason: str


def choose_bundle(
    volume: Volume,
    bundles: Sequence[Bundle],
    device: str = "auto",
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Chosen:
    """The bundle that fits a volume best. Only where several pass the rules of `model.fitting` are networks run.

    Raises:
        MedVLPError: none fits; the remedy tells what each needs.
        Cancelled: `cancel` said so.
    """
    facts = Facts.of(volume)
    fitting = [bundle for bundle in bundles if not bundle.problem and not misfit(bundle.card, facts)]
    if not fitting:
        raise MedVLPError(f"No installed model fits this volume ({facts.text()}).", _needed(bundles))
    fitting.sort(key=lambda bundle: apart(bundle.spacing, volume.spacing))
    if len(fitting) == 1:
        others = "the only one that may fit" if len(bundles) > 1 else "the only model"
        return Chosen(fitting[0], f"{_about(fitting[0])}, {others}")
    best: tuple[tuple[bool, float], Chosen] | None = None
    for number, bundle in enumerate(b for b in fitting if b.card["field"]["anchors"]):
        progress("choosing", number / len(fitting))
        check(cancel)
        seen = _look(bundle, volume, device, cancel)
        rank = not _of_findings(bundle), _above(bundle.card["field"], seen.field_score)
        if shows_field(bundle.card["field"], seen.field_score) and (best is None or rank > best[0]):
            best = rank, Chosen(bundle, f"{_about(bundle)}, {_found(bundle, seen)} found")
    if best is not None:
        return best[1]
    takes_all = [bundle for bundle in fitting if not bundle.card["field"]["anchors"]]
    if takes_all:
        tried = len(takes_all) < len(fitting)
        why = "and no other model finds what it was made for" if tried else "nearest to the volume's"
        return Chosen(takes_all[0], f"{_about(takes_all[0])}, {why}")
    names = ", ".join(bundle.name for bundle in fitting)
    raise MedVLPError(f"None of the models {names} finds in this volume what it was made for.", _needed(fitting))


def _of_findings(bundle: Bundle) -> bool:
    """Made for what only some patients have: chosen for who asks for that, or where nothing else fits."""
    return any(concept.kind == "finding" for concept in bundle.structures.values())


def _above(field: Mapping[str, Any], score: float) -> float:
    """How far above the model's own limit, 0 to 1: limits of models differ, and their scores cannot be compared as they
    are."""
    limit = float(field.get("anchor_score", 0.0))
    return (score - limit) / max(1 - limit, 1e-6)


def _look(bundle: Bundle, volume: Volume, device: str, cancel: Cancel) -> Encoded:
    grid = Grid.of(volume)
    edges = []
    for low, high, step in zip(grid.bounds[::2], grid.bounds[1::2], bundle.spacing, strict=True):
        half, middle = min(high - low, LOOK * step) / 2, (low + high) / 2
        edges += [middle - half, middle + half]
    box: Box = tuple(edges)  # type: ignore[assignment]
    return load_model(bundle.folder, device).look(volume, box, cancel)


def _about(bundle: Bundle) -> str:
    return f"{bundle.name}: {bundle.card['modality']}, spacing {lengths(bundle.spacing)}"


def _found(bundle: Bundle, seen: Encoded) -> str:
    names = [bundle.structures[one.name].name.lower() for one in sorted(seen.anchors, key=lambda a: -a.score)[:NAMED]]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _needed(bundles: Sequence[Bundle]) -> str:
    usable = [bundle for bundle in bundles if not bundle.problem]
    if not usable:
        return "Install a model (`vlp3d models add`)."
    told = "; ".join(f"{bundle.name} {needs(bundle.card)}" for bundle in usable)
    return f"What they need: {told}. Choose one of them to have it tried all the same."

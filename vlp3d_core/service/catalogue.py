"""The models that are installed, told to a client that has nothing but the standard library."""

from __future__ import annotations

import json
from typing import Any

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.registry import DEFAULT, list_bundles

SPLITS = ("test", "validation")


def catalogue() -> list[dict[str, Any]]:
    """One row a model: name, title, version, description, licence, modality, spacing (mm along R, A, S), concepts
    (ids), field, data, limits, scores {concept: {"dice", "n"}}, card (Markdown), default, folder, and problem ("" for
    a model that can be used; of others nothing but name and folder is filled in)."""
    return [_row(bundle) for bundle in list_bundles()]


def _row(bundle: Bundle) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": bundle.name, "folder": str(bundle.folder), "problem": bundle.problem or "",
        "default": bundle.name == DEFAULT, "title": bundle.name, "version": "", "description": "", "licence": "",
        "modality": "", "spacing": [], "concepts": [], "field": {}, "data": [], "limits": [], "scores": {}, "card": "",
    }  # fmt: skip
    try:
        return row if bundle.problem else row | _told(bundle)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # the schema leaves scores to their writer
        return row | {"problem": f"Its card cannot be shown ({type(error).__name__}: {error})."}


def _told(bundle: Bundle) -> dict[str, Any]:
    card = bundle.card
    told = {key: card[key] for key in ("title", "version", "description", "licence", "modality", "field", "data")}
    told |= {
        "spacing": list(bundle.spacing),
        "concepts": list(bundle.concepts),
        "limits": list(card.get("limits", [])),
        "scores": _scores(card),
        "card": card_page(bundle),
    }
    json.dumps(told, allow_nan=False)
    return told


def _scores(card: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Mean Dice of each structure on the test split (or, without one, on the validation split)."""
    measured: dict[str, Any] = next((card["scores"][split] for split in SPLITS if split in card["scores"]), {})
    scores = {}
    for row in measured.get("structures", []):
        dice = row.get("metrics", {}).get("dice") or {}
        if dice.get("mean") is not None:
            scores[row["structure"]] = {"dice": dice["mean"], "n": dice.get("n", row.get("n", 0))}
    return scores

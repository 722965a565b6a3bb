"""The models' cards as files: enough to fill the panel before the worker runs, and where it cannot run at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Model = dict[str, Any]
"""As `Worker.models` gives it; see there."""


def readCards() -> list[Model]:
    """The embedded models and those in the folders that MEDVLP_MODELS names, the first of a name.

    The worker's own list takes their place when it comes: it also knows the user's folder, and checks the weights.
    """
    found: dict[str, Model] = {}
    for folder in _folders():
        for path in sorted(folder.glob("*/bundle.json")):
            model = _read(path)
            if model is not None:
                found.setdefault(model["name"], model)
    return list(found.values())


def _folders() -> list[Path]:
    import vlp3d_core

    named = [Path(p).expanduser() for p in os.environ.get("MEDVLP_MODELS", "").split(os.pathsep) if p]
    return [*named, Path(vlp3d_core.__file__).parent / "bundles"]


def _read(path: Path) -> Model | None:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return {
            **{key: str(card.get(key, "")) for key in ("name", "title", "description", "licence", "modality")},
            "spacing": [float(mm) for mm in card["spacing"]],
            "concepts": [str(row["id"]) for row in card["concepts"]],
            "field": dict(card.get("field", {})),
            "data": list(card.get("data", [])),
            "limits": list(card.get("limits", [])),
            "scores": _scores(card.get("scores", {})),
            "problem": "",
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # the worker says what is wrong with it


def _scores(scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    split = scores.get("test") or scores.get("validation") or {}
    return {
        row["structure"]: {"dice": row["metrics"]["dice"]["mean"], "n": row["metrics"]["dice"]["n"]}
        for row in split.get("structures", [])
        if "dice" in row["metrics"]
    }

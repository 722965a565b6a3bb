"""The cards of freshly trained bundles: everything but the scores, which `vlp3d evaluate` measures."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from vlp3d_core.errors import UsageError
from vlp3d_core.model.bundle import AFFINITIES
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.config import FinetuneConfig

UNSETTLED = 0.75
"""The threshold of an agglomeration until one was chosen on validation."""


def bundle_card(config: FinetuneConfig, encoder: TextEncoder, command: str) -> dict[str, Any]:
    """A card without scores and weights.

    Args:
        command: what a reader types to train this model again.

    Raises:
        UsageError: the settings do not make a valid card.
    """
    default = config.postprocess.get("default", {})
    card = {
        **_common(config, command),
        "field": {"anchors": list(config.anchors), "anchor_score": config.anchor_score},
        "architecture": {
            "encoder": config.encoder,
            "encoder_options": config.encoder_options,
            "dimension": config.dimension,
            "text_dimension": encoder.dimension,
            "text_rank": config.text_rank,
        },
        "concepts": [{"id": c, **default, **config.postprocess.get(c, {})} for c in config.concepts],
        "text_encoder": {"name": "text-tower", "sha256": encoder.sha256},
    }
    _check(card)
    return card


def affinity_card(config: AffinityConfig, command: str) -> dict[str, Any]:
    """The card of a model of affinities; arguments, and what is raised, are those of `bundle_card`."""
    border = {"border": config.border} if config.border else {}
    card = {
        **_common(config, command),
        "field": {"anchors": []},
        "architecture": {
            "kind": AFFINITIES,
            "encoder": config.encoder,
            "encoder_options": config.encoder_options,
            "distances": list(config.distances),
        },
        "instances": {"threshold": UNSETTLED, "smallest_voxels": config.smallest_voxels, **border},
        "concepts": [{"id": name} for name in (config.concept, *border.values())],
        "text_encoder": {"name": "none", "sha256": ""},
    }
    _check(card)
    return card


def _common(config: FinetuneConfig | AffinityConfig, command: str) -> dict[str, Any]:
    """What every card says."""
    return {
        "name": config.name,
        "version": "1",
        "title": config.title or config.name,
        "description": config.description,
        "licence": config.licence,
        "modality": config.modality,
        "spacing": list(config.spacing),
        "normalisation": config.normalisation,
        "data": config.data,
        "limits": config.limits,
        "recipe": {"command": command, "seed": config.seed, "settings": config.to_json()},
        "scores": {},
    }


def _check(card: dict[str, Any]) -> None:
    """Against the bundle's schema, before the hours of training and not after them."""
    schema = json.loads((files("vlp3d_core") / "model" / "bundle.schema.json").read_text(encoding="utf-8"))
    schema["required"] = [key for key in schema["required"] if key not in ("format", "weights")]
    problem = next(iter(Draft202012Validator(schema).iter_errors(card)), None)
    if problem is not None:
        where = "/".join(str(part) for part in problem.absolute_path)
        raise UsageError(f"The settings make no valid model card: {where}: {problem.message}.", "Correct the recipe.")

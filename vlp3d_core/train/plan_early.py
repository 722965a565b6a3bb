"""What can be said of a planned segmentation before any volume is read; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlp3d_core.errors import UsageError
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.plan import PERCENTILES, Budget
from vlp3d_core.train.settings import RECIPES, changes, checked, recipe_values, require
from vlp3d_core.volume.normalise import Normalisation

SIZES = ("small", "base")
"""What a segmentation can be planned for, each with the template `segment-SIZE`."""
MODALITIES = ("CT", *PERCENTILES)
STAND_IN = {
    **{"name": "x", "modality": "CT", "concepts": ["liver"], "spacing": [1.0, 1.0, 1.0], "patch": [32, 32, 32]},
    "normalisation": {"kind": "percentile", "low": 0, "high": 100},
}
"""For what is not planned yet, so that the words of a command are checked before volumes are read."""


def template_of(size: str) -> tuple[dict[str, Any], Budget, Path]:
    """The settings that a size decides, what a run of it can hold, and the file where they stand."""
    values, path = recipe_values(RECIPES / f"segment-{size}.yaml")
    return values, Budget(**values.pop("plan")), path


def checked_early(values: Mapping[str, Any], path: Path) -> FinetuneConfig:
    """The given settings beside stand-ins; raises UsageError for one that makes no sense."""
    if values.get("task", "segmentation") != "segmentation":
        raise UsageError(f"A run with task={values['task']} cannot be planned.", "Name a recipe.")
    # Whether these name structures of the model is known later.
    config = checked(
        FinetuneConfig, {**STAND_IN, **{k: v for k, v in values.items() if k not in ("anchors", "postprocess")}}, path
    )
    require(config.modality in MODALITIES, "modality", f"must be one of {', '.join(MODALITIES)}")
    Normalisation.from_json(config.normalisation)
    return config


def settings_before_plan(size: str, words: Sequence[str]) -> FinetuneConfig:
    """The settings of a size with `key=value` changes; what the volumes will decide is a stand-in.

    Raises:
        UsageError: a change that makes no sense.
    """
    template, _budget, path = template_of(size)
    return checked_early({**template, **changes(words, template)}, path)

"""What `vlp3d finetune` can train: a recipe's `task` says which settings it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlp3d_core.errors import UsageError
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.settings import load_settings, recipe_values

Config = FinetuneConfig | ClassificationConfig | AffinityConfig

TASKS: dict[str, type[Config]] = {
    "segmentation": FinetuneConfig,
    "classification": ClassificationConfig,
    "affinities": AffinityConfig,
}


def load_task(recipe: str | Path, overrides: Sequence[str] = ()) -> Config:
    """A recipe by name or path, as the settings of its task; without one it is a segmentation.

    Raises:
        UsageError: an unknown task, and what `load_settings` raises.
    """
    task = recipe_values(recipe, overrides)[0].get("task", "segmentation")
    kind = TASKS.get(task) if isinstance(task, str) else None
    if kind is None:
        raise UsageError(f"The task {task!r} is unknown.", f"Choose one of: {', '.join(TASKS)}.")
    return load_settings(kind, recipe, overrides)

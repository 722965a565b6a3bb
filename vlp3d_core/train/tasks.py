"""What `vlp3d finetune` can train: a recipe's `task` says which settings it has, and who runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from vlp3d_core.errors import UsageError
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.report_config import ReportConfig
from vlp3d_core.train.settings import RunSettings, load_settings, recipe_values

if TYPE_CHECKING:
    from vlp3d_core.train.task import Task


@dataclass(frozen=True)
class Entry:
    """A task.

    Attributes:
        settings: of its recipes.
        home: "file:class" of its `Task` in this folder, by name: Lightning takes seconds to load, and a recipe with a
            mistake should be refused at once.
    """

    settings: type[RunSettings]
    home: str

    def load(self) -> type[Task[Any, Any]]:
        found: type[Task[Any, Any]] = resolve_name(f"vlp3d_core.train.{self.home}")
        return found


TASKS = {
    "segmentation": Entry(FinetuneConfig, "engine:Segmentation"),
    "classification": Entry(ClassificationConfig, "classify:Classification"),
    "affinities": Entry(AffinityConfig, "learn_affinities:Affinities"),
    "report": Entry(ReportConfig, "learn_reports:Reporting"),
}


def load_task(recipe: str | Path, overrides: Sequence[str] = ()) -> RunSettings:
    """A recipe by name or path, as the settings of its task; without one it is a segmentation.

    Raises:
        UsageError: an unknown task, and what `load_settings` raises.
    """
    return load_settings(_entry(recipe_values(recipe, overrides)[0]).settings, recipe, overrides)


def task_of(config: RunSettings) -> type[Task[Any, Any]]:
    """Who runs these settings."""
    return _entry(config.to_json()).load()


def _entry(values: dict[str, Any]) -> Entry:
    task = values.get("task", "segmentation")
    entry = TASKS.get(task) if isinstance(task, str) else None
    if entry is None:
        raise UsageError(f"The task {task!r} is unknown.", f"Choose one of: {', '.join(TASKS)}.")
    return entry

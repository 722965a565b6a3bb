"""The register of tasks: every one can be loaded, knows its settings, and says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp3d_core.errors import UsageError
from vlp3d_core.train.task import Task
from vlp3d_core.train.tasks import TASKS, load_task, task_of


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_whole(name: str) -> None:
    task = TASKS[name].load()
    assert issubclass(task, Task) and not task.__abstractmethods__
    assert task.metric.startswith("val_") and task.label and len(task.blind) == 2


@pytest.mark.parametrize(
    ("recipe", "home"),
    [
        ("ct-head-neck", "engine:Segmentation"),
        ("classify-small", "classify:Classification"),
        ("em-fib25-affinities", "learn_affinities:Affinities"),
    ],
)
def test_a_recipe_finds_its_task(recipe: str, home: str) -> None:
    config = load_task(recipe)
    assert [entry.home for entry in TASKS.values() if entry.settings is type(config)] == [home]
    assert task_of(config).__name__ == home.partition(":")[2]


@pytest.mark.parametrize("task", ["poetry", "[segmentation]", "1"])
def test_an_unknown_task(task: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"task: {task}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="unknown"):
        load_task(recipe)

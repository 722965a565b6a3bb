"""The folder of a grid of runs: what may not change in it, and the scores of the cells that are finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing, sha256_of
from vlp3d_core.train.scaling import OF_THE_GRID, Cell, Grid
from vlp3d_core.train.start_from import weights_in

PLAN, SCORE = "plan.json", "score.json"
FREE = ("workers", "activation_checkpointing", "checkpoint_minutes")
"""Settings that may change when a grid is resumed; with any other one changed its cells could not be compared."""


def open_grid(grid: Grid, resume: bool) -> None:
    """Make the grid's folder, or see that it is the same grid; fractions, sizes and seeds may be others.

    Raises:
        MedVLPError: nothing to resume, a grid that would be overwritten, or one with other settings.
    """
    path, plan = grid.out / PLAN, _plan(grid)
    if resume:
        if not path.is_file():
            raise MedVLPError(f"There is no grid to resume in {grid.out}.", "Start it without --resume.")
        changed = _changed(path, plan)
        if changed:
            raise MedVLPError(
                f"The grid in {grid.out} was started with other settings: {', '.join(changed)}.",
                "Resume it with the same ones, or start anew in another folder.",
            )
        return
    if path.exists():
        raise MedVLPError(f"{grid.out} already holds a grid.", "Go on with --resume, or choose another folder.")
    try:
        grid.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedVLPError(f"Cannot make {grid.out}: {error.strerror}.", "Choose another folder.") from error
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(plan, indent=1), encoding="utf-8")


def read_score(cell: Cell) -> dict[str, Any] | None:
    """What was kept of a cell that is finished; None for any other."""
    path = cell.folder / SCORE
    if not path.is_file():
        return None
    try:
        score = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(score, dict) or not isinstance(score["error"], float):
            raise ValueError("no score")
    except (OSError, ValueError, KeyError) as error:
        raise MedVLPError(f"{path} is damaged.", "Remove it; the cell is then scored again.") from error
    return score


def write_score(cell: Cell, score: dict[str, Any]) -> None:
    """Keep the score of a cell: now it is finished."""
    with replacing(cell.folder / SCORE) as temporary:
        temporary.write_text(json.dumps(score, indent=1), encoding="utf-8")


def _plan(grid: Grid) -> dict[str, Any]:
    left_out = {*OF_THE_GRID, *FREE}
    return {
        "format": 1,
        "settings": {k: v for k, v in grid.config.to_json().items() if k not in left_out},
        "manifest": sha256_of(grid.manifest),
        "split": grid.split,
        "init": None if grid.init is None else sha256_of(weights_in(grid.init)),
    }


def _changed(path: Path, plan: dict[str, Any]) -> list[str]:
    """Names of what the plan in a folder says otherwise. A setting that it does not know yet was at its default."""
    now = json.loads(json.dumps(plan))
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        settings = before["settings"]
        changed = [k for k, v in now["settings"].items() if settings.get(k, v) != v]
        return sorted(changed) + [k for k in ("manifest", "split", "init") if before[k] != now[k]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MedVLPError(f"{path} is damaged.", "Start anew in another folder.") from error

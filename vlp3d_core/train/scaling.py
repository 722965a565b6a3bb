"""A grid of runs over parts of the data, sizes of the network, and seeds. Each cell is one ordinary run.

All cells have the same number of steps. The subjects of a smaller part are among those of a larger one with the same
seed; another seed draws other subjects, weights and crops, so that the spread over seeds holds all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from vlp3d_core.errors import UsageError
from vlp3d_core.model.encoders import build_encoder, parameters_in
from vlp3d_core.model.widths import widened
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.cases import cases_for
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.pretrain import pairs_for, pretrain
from vlp3d_core.train.pretrain_config import METHODS, PretrainConfig, load_pretrain_config
from vlp3d_core.train.run_record import read_parts
from vlp3d_core.train.settings import recipe_values
from vlp3d_core.train.start_from import weights_in
from vlp3d_core.train.task import How
from vlp3d_core.train.tasks import load_task
from vlp3d_core.train.trainer import LAST

OF_THE_GRID = {"seed": "--seeds", "label_fraction": "--fractions", "data_fraction": "--fractions"}
"""Settings that differ from cell to cell, and the option that says them."""
Config = FinetuneConfig | PretrainConfig


@dataclass(frozen=True)
class Grid:
    """What is run.

    Attributes:
        config: the recipe; of size 1, with all data.
        manifest, out: of all runs; the grid's folder.
        fractions, sizes, seeds: of the cells; parts of the training subjects, factors of the encoder's channels.
        split: what the cells are scored on.
        init: a run or bundle that every cell starts from.
    """

    config: Config
    manifest: Path
    out: Path
    fractions: tuple[float, ...]
    sizes: tuple[float, ...]
    seeds: tuple[int, ...]
    split: str = "test"
    init: Path | None = None


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        config, folder: of the run.
        subjects, volumes: that it trains on.
        encoder_parameters: what its size makes of the encoder.
    """

    fraction: float
    size: float
    seed: int
    config: Config
    folder: Path
    subjects: int
    volumes: int
    encoder_parameters: int


def load_recipe(recipe: str, changes: Sequence[str]) -> Config:
    """A pretraining method (its small recipe), or any recipe of pretraining or segmentation by name or file.

    Raises:
        UsageError: no such recipe, one of another task, or a change of what the grid itself changes.
    """
    for change in changes:
        name = change.partition("=")[0].strip()
        if name in OF_THE_GRID:
            raise UsageError(f"The grid sets {name} itself.", f"Give {OF_THE_GRID[name]}.")
    if recipe in METHODS:
        return load_pretrain_config(recipe, "small", changes)
    values = recipe_values(recipe, changes)[0]
    if "method" in values:
        return load_pretrain_config(str(values["method"]), recipe, changes)
    config = load_task(recipe, changes)
    if not isinstance(config, FinetuneConfig):
        raise UsageError(
            f"The recipe {recipe} is for {config.to_json()['task']}.",
            "A grid takes recipes of pretraining or segmentation.",
        )
    return config


def cells_of(grid: Grid) -> list[Cell]:
    """All cells, seed by seed; whatever could go wrong with one of them goes wrong here, before the hours of work.

    Raises:
        UsageError: sizes or fractions that are no different ones, a start that does not fit the grid.
        MedVLPError: the manifest has too little for a cell.
    """
    _check_start(grid)
    if grid.config.processes > 1:
        raise UsageError("A grid runs each cell in one process.", "Set devices=1 and nodes=1.")
    options = {size: widened(grid.config.encoder, grid.config.encoder_options, size) for size in grid.sizes}
    for one, other in combinations(grid.sizes, 2):
        if options[one] == options[other]:
            raise UsageError(
                f"The sizes {one:g} and {other:g} give the same encoder, {options[one]}.", "Leave one of them out."
            )
    parameters = {
        size: parameters_in(build_encoder(grid.config.encoder, **options[size]))  # type: ignore[arg-type]
        for size in grid.sizes
    }
    cells = []
    for seed in grid.seeds:
        chosen = {part: _chosen(part_of(grid.config, part, seed), grid.manifest) for part in grid.fractions}
        _check_parts({part: names for part, (names, _) in chosen.items()}, grid.manifest)
        for size in grid.sizes:
            for part, (subjects, volumes) in chosen.items():
                config = replace(part_of(grid.config, part, seed), encoder_options=options[size])
                folder = grid.out / f"{part:.12g}-{size:.12g}-{seed}"
                cells.append(Cell(part, size, seed, config, folder, len(subjects), volumes, parameters[size]))
    return cells


def part_of(config: Config, part: float, seed: int) -> Config:
    """The settings of a run on that part of the training subjects."""
    if isinstance(config, PretrainConfig):
        return replace(config, data_fraction=part, seed=seed)
    return replace(config, label_fraction=part, seed=seed)


def train_cell(grid: Grid, cell: Cell, progress: Progress = silent, cancel: Cancel = never) -> None:
    """Train it, from its last checkpoint where there is one; nothing where it has ended.

    Raises:
        Stopped: on request.
        MedVLPError: what `finetune` and `pretrain` raise.
    """
    parts = read_parts(cell.folder)
    if parts and parts[-1].get("end") == "finished":
        return
    resume, cache = (cell.folder / LAST).is_file(), grid.out / "cache"
    if isinstance(cell.config, PretrainConfig):
        pretrain(cell.config, grid.manifest, cell.folder, resume, cache=cache, progress=progress, cancel=cancel)
    else:
        how = How(resume=resume, cache=cache, progress=progress, cancel=cancel)
        finetune(cell.config, grid.manifest, cell.folder, grid.init, **how)


def _chosen(config: Config, manifest: Path) -> tuple[frozenset[str], int]:
    """The training subjects of a run, and how many volumes they have."""
    train = (pairs_for(config, manifest) if isinstance(config, PretrainConfig) else cases_for(config, manifest))[0]
    return frozenset(case.subject for case in train), len(train)


def _check_parts(subjects: Mapping[float, frozenset[str]], manifest: Path) -> None:
    for one, other in combinations(subjects, 2):
        if subjects[one] == subjects[other]:
            raise UsageError(
                f"The fractions {one:g} and {other:g} choose the same subjects of {manifest}: {len(subjects[one])}.",
                "Leave one of them out, or take a manifest with more subjects.",
            )


def _check_start(grid: Grid) -> None:
    if grid.init is None:
        return
    if isinstance(grid.config, PretrainConfig):
        raise UsageError("Pretraining starts from nothing.", "Leave out --init, or name a recipe of segmentation.")
    if grid.sizes != (1.0,):
        raise UsageError("A start has the size that it has.", "Give --sizes 1 with --init.")
    weights_in(grid.init)

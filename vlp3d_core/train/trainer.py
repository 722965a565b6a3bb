"""The Lightning Trainer of a run: callbacks in their order, logs, checkpoints, processes."""

from __future__ import annotations

import csv
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from vlp3d_core.model.devices import choose_device
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.averaging import Averaging
from vlp3d_core.train.callbacks import ShowProgress, StopAtStepEnd
from vlp3d_core.train.checkpoints import LAST, WholeCheckpoints, checkpoints
from vlp3d_core.train.processes import environment_for, leads, strategy_for
from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.speed import Speed
from vlp3d_core.train.sync_norm import SyncedNorms

BEST = "best.safetensors"


@dataclass(frozen=True)
class Extras:
    """What one kind of run adds to the Trainer.

    Attributes:
        first: callbacks that stand before the averaging of weights, and so see the averaged ones at a validation.
        last: callbacks that stand after it, and so see the averaged ones at the end.
        metric, label: the logged value that the progress shows, and what it calls it.
    """

    first: tuple[Callback, ...] = ()
    last: tuple[Callback, ...] = ()
    metric: str = ""
    label: str = ""


def make_trainer(
    config: RunSettings,
    out: Path,
    extras: Extras,
    progress: Progress = silent,
    cancel: Cancel = never,
    resume: bool = False,
) -> pl.Trainer:
    """A Trainer that writes into the run folder `out` and nothing to standard output.

    Raises:
        MedVLPError: the machine cannot run the settings' strategy.
    """
    every = min(config.validate_every, config.steps)
    # Lightning itself puts ModelCheckpoint last.
    callbacks: list[Callback] = [*extras.first]
    if config.ema:
        # From the first validation at the latest, else that one would see the untrained weights.
        start = min(config.warmup, every - 1)
        callbacks.append(Averaging(decay=config.ema, update_starting_at_step=start))
    callbacks += [
        ShowProgress(progress if leads(config) else silent, extras.metric, extras.label),
        StopAtStepEnd(out / LAST, cancel),
        Speed(config.batch * config.processes),
        *extras.last,
        *checkpoints(out, every, config.checkpoint_minutes),
    ]
    environment = environment_for(config)
    return pl.Trainer(
        default_root_dir=out,
        accelerator="auto",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=strategy_for(config),
        use_distributed_sampler=False,  # `train.loaders` gives each process its share
        precision=cast(Any, precision_for(config.precision)),
        max_steps=config.steps,
        accumulate_grad_batches=config.accumulate,
        val_check_interval=every * config.accumulate,  # Lightning counts batches here, not steps
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=config.clip_norm or None,
        callbacks=callbacks,
        plugins=[WholeCheckpoints(), SyncedNorms(), *([environment] if environment else [])],
        logger=[TensorBoardLogger(out, name="", version="tensorboard"), _csv_logger(out, resume and leads(config))],
        log_every_n_steps=min(config.log_every, every),
        enable_model_summary=False,
        enable_progress_bar=False,  # Lightning's bar writes to standard output
    )


def precision_for(name: str) -> str:
    """Lightning's name for a recipe's `precision`: "auto" asks the device that a run takes."""
    if name != "auto":
        return name
    return "bf16-mixed" if choose_device().dtype == torch.bfloat16 else "32-true"


def quiet() -> None:
    """Keep Lightning's greetings and its advice about other people's code to itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*LeafSpec.*",
        # Both are taken care of: `train.loaders` begins at the checkpoint's step, the CSV file is put back.
        ".*ended before the epoch ended.*",
        ".*Previous log files in this directory.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        # Every process validates on everything, so what the first one logs is what all have found.
        ".*sync_dist=True.*",
        # Which weights a method leaves out depends on its objectives; the second look costs little.
        ".*find_unused_parameters=True was specified.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def _csv_logger(out: Path, resume: bool) -> CSVLogger:
    """Metrics as CSV. A resumed run appends; the steps since its checkpoint then occur twice, the later row counts."""
    # Each row at once: what a killed run has logged is kept.
    logger = CSVLogger(out, name="", version="csv", flush_logs_every_n_steps=1)
    path = Path(logger.log_dir) / "metrics.csv"
    if not (resume and path.exists()):
        return logger
    before = path.read_text(encoding="utf-8")
    writer = logger.experiment  # deletes the file
    path.write_text(before, encoding="utf-8")
    writer.metrics_keys = next(csv.reader(before.splitlines()), [])
    return logger

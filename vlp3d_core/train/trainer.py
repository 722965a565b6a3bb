"""The Lightning Trainer of a run: callbacks in their order, logs, checkpoints that are never half written."""

from __future__ import annotations

import csv
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.model.devices import choose_device
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.callbacks import ShowProgress, StopAtStepEnd
from vlp3d_core.train.settings import RunSettings

BEST = "best.safetensors"
LAST = Path("checkpoints", "last.ckpt")


@dataclass(frozen=True)
class Extras:
    """What one kind of run adds to the Trainer.

    Attributes:
        first: callbacks that stand before the averaging of weights, and so see the averaged ones at a validation.
        metric, label: the logged value that the progress shows, and what it calls it.
    """

    first: tuple[Callback, ...] = ()
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
    """A Trainer that writes into the run folder `out` and nothing to standard output."""
    every = min(config.validate_every, config.steps)
    # Lightning itself puts ModelCheckpoint last.
    callbacks: list[Callback] = [*extras.first]
    if config.ema:
        # From the first validation at the latest, else that one would see the untrained weights.
        start = min(config.warmup, every - 1)
        callbacks.append(EMAWeightAveraging(decay=config.ema, update_starting_at_step=start))
    callbacks += [
        ShowProgress(progress, extras.metric, extras.label),
        StopAtStepEnd(out / LAST, cancel),
        ModelCheckpoint(
            out / LAST.parent,
            save_last=True,
            save_top_k=0,
            every_n_train_steps=every,
            enable_version_counter=False,
        ),
    ]
    return pl.Trainer(
        default_root_dir=out,
        accelerator="auto",
        devices=1,
        precision=cast(Any, precision_for(config.precision)),
        max_steps=config.steps,
        val_check_interval=every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=[TensorBoardLogger(out, name="", version="tensorboard"), _csv_logger(out, resume)],
        log_every_n_steps=min(20, every),
        enable_model_summary=False,
        enable_progress_bar=False,  # Lightning's bar writes to standard output
    )


def precision_for(name: str) -> str:
    """Lightning's name for a recipe's `precision`: "auto" asks the device that a run takes."""
    if name != "auto":
        return name
    return "bf16-mixed" if choose_device().dtype == torch.bfloat16 else "32-true"


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that replace the previous one in one step; a full disk leaves the previous one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(self, path: str | Path, *options: Any, **named: Any) -> dict[str, Any]:
        try:
            return super().load_checkpoint(path, *options, **named)
        except Exception as error:  # what a damaged file raises depends on where it is damaged
            raise MedVLPError(
                f"The checkpoint {path} cannot be read.", "Start the run anew in another folder."
            ) from error


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
    ):
        warnings.filterwarnings("ignore", message=message)


def _csv_logger(out: Path, resume: bool) -> CSVLogger:
    """Metrics as CSV. A resumed run appends; the steps since its checkpoint then occur twice, the later row counts."""
    logger = CSVLogger(out, name="", version="csv")
    path = Path(logger.log_dir) / "metrics.csv"
    if not (resume and path.exists()):
        return logger
    before = path.read_text(encoding="utf-8")
    writer = logger.experiment  # deletes the file
    path.write_text(before, encoding="utf-8")
    writer.metrics_keys = next(csv.reader(before.splitlines()), [])
    return logger

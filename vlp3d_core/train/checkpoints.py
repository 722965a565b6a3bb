"""Checkpoints that are never half written, never in the middle of a step, and never of a network that has diverged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

LAST = Path("checkpoints", "last.ckpt")


def checkpoints(folder: Path, every: int, minutes: float) -> Iterator[ModelCheckpoint]:
    """Callbacks that keep `folder / LAST` up to date, every so many steps and, unless 0, every so many minutes."""
    yield AtStepEnds(folder / LAST.parent, every_n_train_steps=every)
    if minutes:
        yield AtStepEnds(folder / LAST.parent, train_time_interval=timedelta(minutes=minutes))


class AtStepEnds(ModelCheckpoint):
    """Writes the last checkpoint only, and not between the batches of a step: a resumed run begins with a step."""

    def __init__(self, folder: Path, **when: Any) -> None:
        super().__init__(folder, save_last=True, save_top_k=0, enable_version_counter=False, **when)

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        if step_ends(trainer, batch_index=rest[-1]):
            super().on_train_batch_end(trainer, *rest)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Not here: averaged weights have taken the place of the raw ones, from which a longer run would go on."""


def step_ends(trainer: pl.Trainer, batch_index: int) -> bool:
    """Whether the weights have changed after this batch."""
    return bool((batch_index + 1) % trainer.accumulate_grad_batches == 0)


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that replace the previous one in one step; a full disk or a kill leaves the previous one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        _check_finite(checkpoint, path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary, temporary.open("wb") as stream:
                torch.save(checkpoint, stream)
                stream.flush()
                os.fsync(stream.fileno())  # network file systems tell of a full disk only here
        except (MedVLPError, OSError, RuntimeError) as error:  # torch makes a RuntimeError of some failed writes
            kept = f"{path} is whole: go on from it with --resume" if path.exists() else "Start the run again"
            raise MedVLPError(
                f"The checkpoint after step {checkpoint['global_step']} could not be written: {_reason(error)}.",
                f"{kept} when there is space.",
            ) from error

    def load_checkpoint(self, path: str | Path, *options: Any, **named: Any) -> dict[str, Any]:
        try:
            return super().load_checkpoint(path, *options, **named)
        except Exception as error:  # what a damaged file raises depends on where it is damaged
            raise MedVLPError(
                f"The checkpoint {path} cannot be read.", "Start the run anew in another folder."
            ) from error


def last_good(folder: str | Path) -> str:
    """Where to go back to, as a sentence."""
    path = Path(folder) / LAST
    return f"The last good checkpoint is {path}." if path.exists() else "There is no checkpoint yet."


def _check_finite(checkpoint: Mapping[str, Any], path: Path) -> None:
    """A loss can be a number while its gradient is none: then the weights are the first to tell."""
    for name in ("state_dict", "current_model_state"):
        for key, value in checkpoint.get(name, {}).items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise MedVLPError(
                    f"Training diverged: {key} is not finite after step {checkpoint['global_step']}.",
                    f"{last_good(path.parents[len(LAST.parts) - 1])} Start a new run with a lower learning_rate.",
                )


def _reason(error: BaseException) -> str:
    """The operating system's own words, from the deepest error that has some."""
    words, at = "", error
    while at is not None:
        words = (at.strerror if isinstance(at, OSError) else None) or words
        at = at.__cause__ or at.__context__  # type: ignore[assignment]
    return words or str(error).splitlines()[0].rstrip(".")

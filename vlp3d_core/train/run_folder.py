"""A run's folder: settings that may not change in it, and training into it until the end or a request to stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
from torch import Tensor

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import TEMPORARY, replacing
from vlp3d_core.progress import Cancel, Progress
from vlp3d_core.train.callbacks import Ended, Stopped
from vlp3d_core.train.processes import leads
from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.slurm import requeue
from vlp3d_core.train.stop import stop_on_signals
from vlp3d_core.train.trainer import BEST, LAST, Extras, make_trainer

SETTINGS = "config.json"
FREE = (
    "steps", "validate_every", "log_every", "workers", "precision", "activation_checkpointing", "checkpoint_minutes",
)  # fmt: skip
"""Settings that may change when a run is resumed; with any other one changed it would be another run."""


def fit(
    settings: RunSettings,
    module: pl.LightningModule,
    loaders: pl.LightningDataModule,
    out: Path,
    resume: bool,
    progress: Progress,
    cancel: Cancel,
    extras: Extras,
) -> dict[str, Tensor]:
    """Train from the beginning or the last checkpoint; Ctrl-C and SIGTERM stop it between two steps, with one.

    Returns:
        the weights of `module.model` at the end, see `Ended`.
    """
    with stop_on_signals(cancel) as stop:
        ended = Ended()
        trainer = make_trainer(settings, out, replace(extras, last=(ended,)), progress, stop, resume)
        try:
            # weights_only: a checkpoint holds tensors, numbers and texts; nothing is unpickled.
            trainer.fit(module, datamodule=loaders, ckpt_path=str(out / LAST) if resume else None, weights_only=True)
        except SystemExit as left:  # how Lightning answers an impatient second Ctrl-C
            raise KeyboardInterrupt from left
        except Stopped as stopped:
            if stop.job and signal.SIGINT not in stop.received and stop.received and leads(settings):
                raise Stopped(stopped.step, requeue(stop.job)) from None
            raise
    return ended.weights


def prepare_run(run: RunSettings, out: Path, resume: bool, free: Collection[str] = ()) -> None:
    """Make the run folder; refuse to mix two runs in one.

    Raises:
        MedVLPError: nothing to resume, settings that differ, or a run that would be overwritten.
    """
    settings = json.loads(json.dumps(run.to_json()))
    if resume:
        if not (out / LAST).exists():
            raise MedVLPError(f"There is no checkpoint to resume in {out}.", "Start the run without --resume.")
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8")) if (out / SETTINGS).exists() else settings
        changed = sorted(k for k in settings if k not in (*FREE, *free) and before.get(k, settings[k]) != settings[k])
        if changed:
            raise MedVLPError(
                f"The run in {out} was started with other settings: {', '.join(changed)}.",
                "Resume it with the same ones, or start anew in another folder.",
            )
    elif (out / LAST).exists():
        raise MedVLPError(f"{out} already holds a run.", "Go on with --resume, or choose another folder.")
    if not leads(run):
        return
    out.mkdir(parents=True, exist_ok=True)
    for half in (out / LAST.parent).glob(f"{TEMPORARY}*"):  # a kill in the middle of a checkpoint
        half.unlink(missing_ok=True)
    if not resume:
        (out / BEST).unlink(missing_ok=True)
    with replacing(out / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")

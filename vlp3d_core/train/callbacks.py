"""What happens beside the steps of a run: the best weights are kept, progress is told, a request to stop is obeyed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from safetensors import safe_open
from safetensors.torch import save_file

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.progress import Cancel, Progress
from vlp3d_core.train.checkpoints import step_ends
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.stop import StopRequest


class Ended(Callback):
    """Keeps the weights that a run ends with, averaged ones if there are, whole whatever the strategy.

    It must stand after the averaging callback.

    Attributes:
        weights: of `module.model`; empty in all processes but the first where each has a part only.
    """

    def __init__(self) -> None:
        self.weights: dict[str, torch.Tensor] = {}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        whole = trainer.strategy.lightning_module_state_dict()
        self.weights = {k.removeprefix("model."): v for k, v in whole.items() if k.startswith("model.")}


# Lightning finds a callback's state in a checkpoint by the name of its class: renaming one breaks resuming.


class BestWeights(Callback):
    """Keeps the weights of the best validation so far as safetensors, the averaged ones when there is averaging.

    It must stand before the averaging callback, which puts the raw weights back at the same hook.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.best = path, -1.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        kinds = [type(c) for c in trainer.callbacks]
        averaging = [n for n, kind in enumerate(kinds) if issubclass(kind, WeightAveraging)]
        assert all(n > kinds.index(BestWeights) for n in averaging), "the averaged weights are gone by then"

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TextQueriedSegmentation)
        if trainer.sanity_checking or not pl_module.dice:
            return
        score = float(torch.stack(pl_module.dice).nanmean(0).nanmean())
        if math.isnan(score):
            raise MedVLPError(
                "The validation volumes show none of the structures at the model's spacing.",
                "Give the split 'validation' cases in which they are labelled.",
            )
        if score > self.best:
            self.best = score
            if not trainer.is_global_zero:  # all have validated on everything, and found the same
                return
            with replacing(self.path) as temporary:
                state = {k: v.contiguous() for k, v in pl_module.model.state_dict().items()}
                save_file(state, temporary, metadata={"step": str(trainer.global_step), "val_dice": f"{score:.5f}"})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The checkpoint is older than the validation of its step; the file may already hold that one's weights."""
        self.best = max(float(state_dict["best"]), _score_in(self.path))


class StopAtStepEnd(Callback):
    """Saves a checkpoint and leaves when asked to, between two steps, where nothing is half done.

    All processes leave together: when one was asked, all were. It must stand after the averaging callback. A request
    during validation waits for the next step: in between, the averaged and the raw weights have changed places.
    """

    def __init__(self, checkpoint: Path, cancel: Cancel) -> None:
        self.checkpoint, self.cancel = checkpoint, cancel

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(self.cancel, StopRequest):
            self.cancel.listen()  # Lightning has put a handler of its own in front, which leaves without a checkpoint

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        if not step_ends(trainer, batch_index=rest[-1]):
            return
        asked = self.cancel()
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked and trainer.global_step < trainer.max_steps:
            trainer.save_checkpoint(self.checkpoint)
            raise Stopped(trainer.global_step)


class Stopped(Cancelled):
    """The run was stopped on request and can go on.

    Args:
        step: the last one that was done.
        more: what else there is to say.
    """

    def __init__(self, step: int, more: str = "") -> None:
        saved = f"The state after step {step} is saved; the same command with --resume goes on from there."
        super().__init__(f"{saved} {more}".strip())
        self.step = step


class ShowProgress(Callback):
    """Tells the fraction of the steps that are done, with the latest value of a metric."""

    def __init__(self, progress: Progress, metric: str = "", label: str = "") -> None:
        self.progress, self.metric, self.label = progress, metric, label

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        score = trainer.callback_metrics.get(self.metric)
        stage = "training" if score is None else f"training ({self.label} {float(score):.2f})"
        self.progress(stage, trainer.global_step / trainer.max_steps)


def _score_in(path: Path) -> float:
    """The validation score that a file of weights was kept for; -1 without file."""
    if not path.exists():
        return -1.0
    with safe_open(path, "pt") as file:
        return float((file.metadata() or {}).get("val_dice", -1.0))

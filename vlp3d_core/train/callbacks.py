"""What happens beside the steps of a run: the best weights are kept, progress is told, a request to stop is obeyed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, WeightAveraging
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.progress import Cancel, Progress
from vlp3d_core.train.checkpoints import step_ends
from vlp3d_core.train.stop import StopRequest


class Ended(Callback):
    """Keeps the weights that a run ends with, averaged ones if there are, whole whatever the strategy.

    It must stand after the averaging callback.

    Attributes:
        weights: of `module.model`; empty in all processes but the first where each has a part only.
    """

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        whole = trainer.strategy.lightning_module_state_dict()
        self.weights = {k.removeprefix("model."): v for k, v in whole.items() if k.startswith("model.")}


NO_STRUCTURE = (
    "The validation volumes show none of the structures at the model's spacing.",
    "Give the split 'validation' cases in which they are labelled.",
)
# Lightning finds a callback's state in a checkpoint by the name of its class: renaming one breaks resuming.


@runtime_checkable
class Validated(Protocol):
    """A module whose best weights can be kept."""

    model: nn.Module

    def validation_score(self) -> float | None:
        """Of the validation that ends, the higher the better, NaN where it says nothing; None if none was run."""
        ...


class BestWeights(Callback):
    """Keeps the weights of the best validation so far as safetensors, the averaged ones when there is averaging.

    It must stand before the averaging callback, which puts the raw weights back at the same hook.

    Args:
        path: of the file.
        metric: what the file's notes call the score.
        blind: what is wrong with validation volumes that give no score, and what helps.
    """

    def __init__(self, path: Path, metric: str = "val_dice", blind: tuple[str, str] = NO_STRUCTURE) -> None:
        self.path, self.metric, self.blind, self.best = path, metric, blind, -1.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        kinds = [type(c) for c in trainer.callbacks]
        averaging = [n for n, kind in enumerate(kinds) if issubclass(kind, WeightAveraging)]
        assert all(n > kinds.index(BestWeights) for n in averaging), "the averaged weights are gone by then"

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Validated)
        score = None if trainer.sanity_checking else pl_module.validation_score()
        if score is None:
            return
        if math.isnan(score):
            raise MedVLPError(*self.blind)
        if score > self.best:
            self.best = score
            if not trainer.is_global_zero:  # all have validated on everything, and found the same
                return
            with replacing(self.path) as temporary:
                state = {k: v.contiguous() for k, v in pl_module.model.state_dict().items()}
                save_file(state, temporary, metadata={"step": str(trainer.global_step), self.metric: f"{score:.5f}"})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The checkpoint is older than the validation of its step; the file may already hold that one's weights."""
        self.best = max(float(state_dict["best"]), _score_in(self.path, self.metric))


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
        saved = f"The state after step {step} is saved; resume it (in a shell: --resume) to go on from there."
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


def _score_in(path: Path, metric: str) -> float:
    """The validation score that a file of weights was kept for; -1 without file."""
    if not path.exists():
        return -1.0
    with safe_open(path, "pt") as file:
        return float((file.metadata() or {}).get(metric, -1.0))

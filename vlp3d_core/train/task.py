"""The frame of a fine-tuning run: a task says what differs, `run_task` does the rest.

A new task is a file with its `Task` (the Lightning module and the data have their own) and a line in `train.tasks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypedDict, TypeVar

import lightning.pytorch as pl
from safetensors.torch import load_file

from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.callbacks import BestWeights
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.processes import first_then_all, leads
from vlp3d_core.train.run_folder import fit, prepare_run
from vlp3d_core.train.run_record import recorded
from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.start_from import start_from
from vlp3d_core.train.trainer import BEST, Extras, quiet


class Saved(Protocol):
    """What a run leaves: a model with its card."""

    @property
    def card(self) -> dict[str, Any]: ...


Settings = TypeVar("Settings", bound=RunSettings)
Result = TypeVar("Result", bound=Saved)


class How(TypedDict, total=False):
    """How a run is started, see `Run`; the keywords of the functions that train."""

    resume: bool
    cache: Path | None
    progress: Progress
    cancel: Cancel


@dataclass(frozen=True)
class Run(Generic[Settings]):
    """One run of a task.

    Attributes:
        manifest: JSON lines, see `train.manifest`.
        out: the run's folder: settings, logs, checkpoints, best weights, the model.
        init: a pretraining run, a run or a bundle whose weights to start from where names and shapes agree; None:
            random weights.
        resume: go on from the folder's last checkpoint; the losses are those of an unbroken run.
        cache: folder of preprocessed volumes, which several runs may share; None is one in `out`.
    """

    config: Settings
    manifest: Path
    out: Path
    init: Path | None = None
    resume: bool = False
    cache: Path | None = None
    progress: Progress = silent
    cancel: Cancel = never

    @property
    def prepared(self) -> Path:
        """Where preprocessed volumes are kept."""
        return self.cache or self.out / "cache"


@dataclass(frozen=True)
class Told:
    """What is said of a run that has ended.

    Attributes:
        made: one line.
        try_it: words of a `vlp3d` command that uses the model.
        json: beside the run's folder.
        page: whether there were steps, and so curves for a report page.
    """

    made: str
    try_it: tuple[str | Path, ...]
    json: Mapping[str, Any] = field(default_factory=dict)
    page: bool = True


class Task(ABC, Generic[Settings, Result]):
    """What a task adds to the frame.

    It is made before anything is written: whatever could go wrong goes wrong then, before the hours of work.

    Attributes:
        run: see `Run`.
        module: has `model` and `validation_score`, see `callbacks.Validated`.
        train: the cases to train on.
        metric, label: the score of a validation, the higher the better: its name in the log, and in the progress.
        blind: what is wrong with validation volumes that give no score, and what helps.
        free: settings that may change when a run is resumed, besides those that always may.
    """

    metric: ClassVar[str]
    label: ClassVar[str]
    blind: ClassVar[tuple[str, str]]
    free: ClassVar[frozenset[str]] = frozenset()

    run: Run[Settings]
    module: pl.LightningModule
    train: Sequence[Case]

    @abstractmethod
    def loaders(self) -> Loaders:
        """Read the volumes."""

    @abstractmethod
    def save(self, score: float) -> None:
        """Write the model, whose weights are the best ones, into the run's folder; called in the first process."""

    @abstractmethod
    def saved(self) -> Result:
        """Read it again."""

    @classmethod
    @abstractmethod
    def tell(cls, run: Run[Settings], result: Result) -> Told:
        """What is said to whoever has started the run."""

    def learn(self) -> float:
        """Train, keep the best weights, and give their score."""
        run, best = self.run, BestWeights(self.run.out / BEST, self.metric, self.blind)
        extras = Extras((best,), metric=self.metric, label=self.label)
        fit(run.config, self.module, self.loaders(), run.out, run.resume, run.progress, run.cancel, extras)
        return best.best

    @property
    def command(self) -> str:
        """What a reader of a bundle's card types to train the model again."""
        run = self.run
        start = f" --init {run.init.name}" if run.init is not None else ""
        name = run.config.to_json()["name"]
        return f"vlp3d finetune {name} --manifest {run.manifest.name} --out {run.out.name}{start}"

    def card(self, architecture: Mapping[str, Any], data: Mapping[str, Any], score: float) -> dict[str, Any]:
        """What every card says that is no bundle's.

        Args:
            data: what is said of the training data, beside the manifest's name.
        """
        config = self.run.config
        return {
            "task": config.to_json()["task"],
            "architecture": dict(architecture),
            "modality": config.modality,
            "spacing": list(config.spacing),
            "field": list(config.patch),
            "normalisation": config.normalisation,
            "data": {"manifest": self.run.manifest.name, **data},
            "init": self.run.init.name if self.run.init is not None else "",
            self.metric.replace("val_", "validation_"): score,
            "recipe": config.to_json(),
        }


def run_task(kind: Callable[[Run[Settings]], Task[Settings, Result]], run: Run[Settings]) -> Result:
    """Train, keep the best weights by validation, and write the model into `run.out`.

    Ctrl-C, SIGTERM and `run.cancel` end the run after the current step with a checkpoint to resume from.

    Raises:
        Stopped: on request; resume it.
        MedVLPError: the manifest, the settings, `init` or the run folder cannot be used.
    """
    quiet()
    pl.seed_everything(run.config.seed, verbose=False)
    task = kind(run)
    if run.init is not None:
        start_from(task.module.model, run.init)
    prepare_run(run.config, run.out, run.resume, task.free)
    if leads(run.config):
        subjects = (case.subject for case in task.train)
        note_subjects(run.out, subjects, (run.init, run.out if run.resume else None))
    with recorded(run.config, run.out, run.manifest, run.resume):
        score = task.learn()

        def finish() -> None:
            if (run.out / BEST).is_file():
                task.module.model.load_state_dict(load_file(run.out / BEST))
            task.save(score)

        first_then_all(run.config, finish)
    return task.saved()

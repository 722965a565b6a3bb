"""Settings of a run that learns to tell findings."""

from __future__ import annotations

from dataclasses import dataclass

from vlp3d_core.train.settings import RunSettings, choice, require

MODES = ("linear", "full")


@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(RunSettings):
    """Everything that decides a classification run, beyond `RunSettings`.

    Attributes:
        task: "classification".
        mode: "linear" keeps the encoder as it is and fits a linear layer to its features (see `train.linear_probe`;
            patch is the piece of a volume that is seen, steps and learning rate say nothing there); "full" trains all.
        findings: names; empty: all that the manifest names for training.
        label_fraction: use only this part of the training subjects.
    """

    task: str
    mode: str = choice("full", MODES)
    findings: tuple[str, ...] = ()
    label_fraction: float = 1.0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.task == "classification", "task", "must be classification")
        require(len(set(self.findings)) == len(self.findings), "findings", "names a finding twice")
        require(self.strategy != "fsdp", "strategy", "can be fsdp in pretraining only")
        alone = self.mode != "linear" or self.processes == 1
        require(alone, "devices", "and nodes must be 1 with mode linear: it takes seconds")
        require(0 < self.label_fraction <= 1, "label_fraction", "must be above 0 and not above 1")

"""Settings of a run that learns affinities of instances."""

from __future__ import annotations

from dataclasses import dataclass

from vlp3d_core.train.settings import RunSettings, require


@dataclass(frozen=True, kw_only=True)
class AffinityConfig(RunSettings):
    """Everything that decides a run on instances, beyond `RunSettings`.

    Attributes:
        task: "affinities".
        label_fraction: use only this part of the training volume: of each volume the first part along S, for there are
            few volumes of this kind, and one of them holds many instances.
    """

    task: str
    label_fraction: float = 1.0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.task == "affinities", "task", "must be affinities")
        require(0 < self.label_fraction <= 1, "label_fraction", "must be above 0 and not above 1")

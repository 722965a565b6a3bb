"""Settings of a run that learns affinities of instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.settings import RunSettings, require


@dataclass(frozen=True, kw_only=True)
class AffinityConfig(RunSettings):
    """Everything that decides a run on instances, beyond `RunSettings`.

    Attributes:
        task: "affinities".
        name: of the resulting model.
        title, description, licence, data, limits: for the model's card.
        concept: what an instance is, by concept id.
        border: what lies between two instances, by concept id; the model then finds it too; empty for none.
        smallest_voxels: at `spacing`; a smaller instance is given to the neighbour that it hangs together with most.
        distances: of the voxels whose belonging together is learnt, in voxels; the first one is 1, and the others are
            there to learn more from, see `AffinityModel`.
        elastic: standard deviation of the control points of a deformation, 24 voxels apart, in voxels of the finest
            axis; most places move a third of it. With it patches are also turned, scaled, blurred and bent in their
            greys, as labelled scans are; 0 leaves all that out.
        label_fraction: use only this part of the training volume: of each volume the first part along S, for there are
            few volumes of this kind, and one of them holds many instances.
    """

    task: str
    name: str = "affinities"
    title: str = ""
    description: str = ""
    licence: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    concept: str = "neurite"
    border: str = ""
    smallest_voxels: int = 500
    distances: tuple[int, ...] = (1,)
    elastic: float = 0.0
    label_fraction: float = 1.0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.task == "affinities", "task", "must be affinities")
        require(self.concept in concepts(), "concept", "must be the id of a concept")
        require(not self.border or self.border in concepts(), "border", "must be the id of a concept, or empty")
        require(self.border != self.concept, "border", "must be another concept than the instances")
        require(self.distances[:1] == (1,), "distances", "must begin with 1, that of neighbours")
        require(min(self.distances, default=1) > 0, "distances", "must be above 0")
        require(max(self.distances) < min(self.patch), "distances", "must be smaller than the patch")
        require(self.smallest_voxels >= 0, "smallest_voxels", "must not be negative")
        require(self.elastic >= 0, "elastic", "must not be negative")
        require(0 < self.label_fraction <= 1, "label_fraction", "must be above 0 and not above 1")

"""The learning of affinities, from a manifest to a folder that `vlp3d evaluate instances` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vlp3d_core.model.affinity_model import SavedAffinityModel, load_affinity_model, save_affinity_model
from vlp3d_core.train.affinities import AffinityLearning
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.affinity_data import (
    InstancePatches,
    InstancePieces,
    first_part,
    instance_cases,
    read_instances,
)
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.task import How, Run, Task, Told, run_task
from vlp3d_core.volume.normalise import Normalisation


class Affinities(Task[AffinityConfig, SavedAffinityModel]):
    """Learns which voxels belong to one instance; writes `out/affinities.*`. Volumes are held in memory."""

    metric, label = "val_membranes", "membrane Dice"
    blind = ("The validation volumes have no boundary between two instances.", "Give that split other volumes.")

    def __init__(self, run: Run[AffinityConfig]) -> None:
        self.run = run
        self.train, self.validation = instance_cases(run.manifest)
        self.module = AffinityLearning(run.config)

    def loaders(self) -> Loaders:
        config = self.run.config
        normalisation = Normalisation.from_json(config.normalisation)
        train, validation = (
            [read_instances(case, config.spacing, normalisation) for case in cases]
            for cases in (self.train, self.validation)
        )
        parts = [first_part(volume, config.label_fraction) for volume in train]
        length = config.steps * config.items_a_step
        patches = InstancePatches(parts, config.patch, config.spacing, length, config.seed)
        return Loaders(config, patches, InstancePieces(validation, config.patch), config.batch)

    def save(self, score: float) -> None:
        config = self.run.config
        card = self.card({"encoder": config.encoder, "encoder_options": config.encoder_options}, {}, score)
        save_affinity_model(self.run.out, self.module.model.state_dict(), card)

    def saved(self) -> SavedAffinityModel:
        return load_affinity_model(self.run.out)

    @classmethod
    def tell(cls, run: Run[AffinityConfig], result: SavedAffinityModel) -> Told:
        score = result.card["validation_membranes"]
        return Told(
            f"{run.out}: a model of affinities, Dice of membranes on validation {score:.2f}",
            ("evaluate", "instances", "--model", run.out, "--manifest", run.manifest),
        )


def learn_affinities(
    config: AffinityConfig, manifest: Path, out: Path, init: Path | None = None, **how: Unpack[How]
) -> SavedAffinityModel:
    """Train on instances and write `out/affinities.*`; the arguments, and what is raised, are those of `run_task`."""
    return run_task(Affinities, Run(config, manifest, out, init, **how))

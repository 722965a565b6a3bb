"""The learning of affinities, from a manifest to a bundle that makes instances."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vlp3d_core.model.bundle import Bundle, read_bundle, write_bundle
from vlp3d_core.model.registry import IN_RUN
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.train.affinities import AffinityLearning
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.affinity_data import (
    InstancePatches,
    InstancePieces,
    first_part,
    instance_cases,
    read_instances,
)
from vlp3d_core.train.card import affinity_card
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.task import How, Run, Task, Told, run_task
from vlp3d_core.volume.normalise import Normalisation


class Affinities(Task[AffinityConfig, Bundle]):
    """Learns which voxels belong to one instance; writes `out/bundle`. Volumes are held in memory.

    How far its agglomeration goes is chosen afterwards, by `vlp3d finetune`: that takes prediction and scores.
    """

    metric, label = "val_membranes", "membrane Dice"
    blind = ("The validation volumes have no boundary between two instances.", "Give that split other volumes.")

    # Settings of the card and of inference.
    free = frozenset(
        {"name", "title", "description", "licence", "data", "limits", "concept", "border", "smallest_voxels"}
    )

    def __init__(self, run: Run[AffinityConfig]) -> None:
        self.run = run
        self.bundle_card = affinity_card(run.config, self.command)
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
        patches = InstancePatches(
            parts, config.patch, config.spacing, length, config.seed, config.distances, config.elastic
        )
        return Loaders(config, patches, InstancePieces(validation, config.patch, config.distances), config.batch)

    def save(self, score: float) -> None:
        folder = self.run.out / IN_RUN
        write_bundle(folder, self.module.model, None, self.bundle_card)
        note_subjects(folder, (case.subject for case in self.train), (self.run.out,))

    def saved(self) -> Bundle:
        return read_bundle(self.run.out / IN_RUN)

    @classmethod
    def tell(cls, run: Run[AffinityConfig], result: Bundle) -> Told:
        return Told(
            f"{result.folder}: the model {result.name}, instances of {run.config.concept}",
            ("segment", "VOLUME", "-o", "OUT.seg.nrrd", "--model", result.folder),
            {"bundle": result.folder, "model": result.name},
        )


def learn_affinities(
    config: AffinityConfig, manifest: Path, out: Path, init: Path | None = None, **how: Unpack[How]
) -> Bundle:
    """Train on instances and write `out/bundle`; the arguments, and what is raised, are those of `run_task`."""
    return run_task(Affinities, Run(config, manifest, out, init, **how))

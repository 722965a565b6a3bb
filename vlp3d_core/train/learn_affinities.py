"""Runs the learning of affinities from a manifest to a folder that `vlp3d evaluate instances` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from safetensors.torch import load_file

from vlp3d_core.model.affinity_model import SavedAffinityModel, load_affinity_model, save_affinity_model
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.affinities import AffinityLearning
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.affinity_data import (
    InstancePatches,
    InstancePieces,
    first_part,
    instance_cases,
    read_instances,
)
from vlp3d_core.train.callbacks import BestWeights
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.processes import first_then_all, leads
from vlp3d_core.train.run_folder import fit, prepare_run
from vlp3d_core.train.run_record import recorded
from vlp3d_core.train.start_from import start_from
from vlp3d_core.train.trainer import BEST, Extras, quiet
from vlp3d_core.volume.normalise import Normalisation

BLIND = ("The validation volumes have no boundary between two instances.", "Give that split other volumes.")


def learn_affinities(
    config: AffinityConfig,
    manifest: Path,
    out: Path,
    init: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> SavedAffinityModel:
    """Train, keep the best weights by validation, and write `out/affinities.*`. Volumes are held in memory.

    Args:
        manifest: JSON lines whose label maps hold instances, see `train.manifest`.
        out: the run folder.
        init: a pretraining run, a run or a bundle whose encoder to start from; None: random weights.
        resume: go on from the run folder's last checkpoint.

    Raises:
        Stopped: on request; resume it.
        MedVLPError: the manifest, the settings, `init` or the run folder cannot be used.
    """
    quiet()
    pl.seed_everything(config.seed, verbose=False)
    chosen = instance_cases(manifest)
    module = AffinityLearning(config)
    if init is not None:
        start_from(module.model, init)
    prepare_run(config, out, resume)
    if leads(config):
        note_subjects(out, (case.subject for case in chosen[0]), (init, out if resume else None))
    normalisation = Normalisation.from_json(config.normalisation)
    with recorded(config, out, manifest, resume):
        train, validation = ([read_instances(c, config.spacing, normalisation) for c in cases] for cases in chosen)
        train = [first_part(volume, config.label_fraction) for volume in train]
        patches = InstancePatches(train, config.patch, config.spacing, config.steps * config.items_a_step, config.seed)
        loaders = Loaders(config, patches, InstancePieces(validation, config.patch), config.batch)
        best = BestWeights(out / BEST, "val_membranes", BLIND)
        fit(
            config,
            module,
            loaders,
            out,
            resume,
            progress,
            cancel,
            Extras((best,), metric="val_membranes", label="membrane Dice"),
        )
        card = _card(config, manifest, init, best.best)

        def finish() -> None:
            module.model.load_state_dict(load_file(out / BEST))
            save_affinity_model(out, module.model.state_dict(), card)

        first_then_all(config, finish)
    return load_affinity_model(out)


def _card(config: AffinityConfig, manifest: Path, init: Path | None, score: float) -> dict[str, Any]:
    return {
        "task": config.task,
        "architecture": {"encoder": config.encoder, "encoder_options": config.encoder_options},
        "modality": config.modality,
        "spacing": list(config.spacing),
        "field": list(config.patch),
        "normalisation": config.normalisation,
        "data": {"manifest": manifest.name},
        "init": init.name if init is not None else "",
        "validation_membranes": score,
        "recipe": config.to_json(),
    }

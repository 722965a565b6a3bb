"""Runs classification from a manifest with findings to a folder that `vlp3d evaluate classification` reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from safetensors.torch import load_file

from vlp3d_core.errors import UsageError
from vlp3d_core.model.classifier import Classifier, SavedClassifier, load_classifier, save_classifier
from vlp3d_core.model.pretrained import CARD as PRETRAINED
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.callbacks import BestWeights
from vlp3d_core.train.classification import FindingClassification
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.finding_data import FindingDataset, finding_cases
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.processes import first_then_all, leads
from vlp3d_core.train.run_folder import fit, prepare_run
from vlp3d_core.train.run_record import recorded
from vlp3d_core.train.start_from import start_from
from vlp3d_core.train.store import Stored, preprocess
from vlp3d_core.train.trainer import BEST, Extras, quiet
from vlp3d_core.volume.normalise import Normalisation

BLIND = ("Of no finding the validation volumes show both kinds.", "Give the split 'validation' more volumes.")


def classify(
    config: ClassificationConfig,
    manifest: Path,
    out: Path,
    init: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> SavedClassifier:
    """Train, keep the best weights by validation, and write `out/classifier.*`.

    Args:
        manifest: JSON lines with findings, see `train.manifest`.
        out: the run folder.
        init: a pretraining run, a run or a bundle whose encoder to start from; None: random weights.
        resume: go on from the run folder's last checkpoint; a linear run takes seconds and is not resumed.

    Raises:
        Stopped: on request; resume it.
        MedVLPError: the manifest, the settings, `init` or the run folder cannot be used.
    """
    quiet()
    pl.seed_everything(config.seed, verbose=False)
    train, validation, findings = finding_cases(config, manifest)
    linear = config.mode == "linear"
    if linear and resume:
        raise UsageError("A linear run is not resumed: it takes seconds.", "Start it again in another folder.")
    module = FindingClassification(config, Classifier(findings, config.encoder, config.encoder_options))
    if init is not None:
        start_from(module.model, init)
        if linear:
            _check_sees(init, config)
    prepare_run(config, out, resume)
    if leads(config):
        note_subjects(out, (case.subject for case in train), (init, out if resume else None))
    normalisation = Normalisation.from_json(config.normalisation)

    def stored(cases: Sequence[Case]) -> list[Stored]:
        bare = [replace(case, label=None, labels={}) for case in cases]
        return preprocess(bare, out / "cache", (), config.spacing, normalisation, progress)

    with recorded(config, out, manifest, resume):
        held_out = FindingDataset(stored(validation), findings, config.patch, None)
        items = FindingDataset(stored(train), findings, config.patch, None if linear else config.seed)
        if linear:
            from vlp3d_core.train.linear_probe import fit_linear

            score = fit_linear(module.model, items, held_out, progress, cancel)
        else:
            best = BestWeights(out / BEST, "val_auroc", BLIND)
            extras = Extras((best,), metric="val_auroc", label="AUROC")
            fit(config, module, Loaders(config, items, held_out, config.batch), out, resume, progress, cancel, extras)
            score = best.best
        card = _card(config, findings, manifest, len(train), init, score)

        def finish() -> None:
            if not linear:
                module.model.load_state_dict(load_file(out / BEST))
            save_classifier(out, module.model, card)

        first_then_all(config, finish)
    return load_classifier(out)


def _check_sees(init: Path, config: ClassificationConfig) -> None:
    """An encoder that stays as it is must see what it was trained on.

    Raises:
        UsageError: the recipe shows it something else.
    """
    if not (init / PRETRAINED).is_file():
        return
    card, own = json.loads((init / PRETRAINED).read_text(encoding="utf-8")), config.to_json()
    for name in ("spacing", "normalisation", "modality"):
        if card.get(name) != own[name]:
            raise UsageError(
                f"The encoder in {init} was trained with {name} {card.get(name)}, and the recipe says {own[name]}.",
                "Set it as the encoder had it, or choose mode=full.",
            )


def _card(
    config: ClassificationConfig,
    findings: Sequence[str],
    manifest: Path,
    volumes: int,
    init: Path | None,
    score: float,
) -> dict[str, Any]:
    return {
        "task": config.task,
        "mode": config.mode,
        "architecture": {
            "findings": list(findings),
            "encoder": config.encoder,
            "encoder_options": config.encoder_options,
        },
        "modality": config.modality,
        "spacing": list(config.spacing),
        "field": list(config.patch),
        "normalisation": config.normalisation,
        "data": {"manifest": manifest.name, "training_volumes": volumes},
        "init": init.name if init is not None else "",
        "validation_auroc": score,
        "recipe": config.to_json(),
    }

"""Runs pretraining from a manifest with reports to weights that can be fine-tuned and searched with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.pretrained import Pretrained, load_pretrained, save_pretrained
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.masking import WordMasker
from vlp3d_core.text.report.vectors import report_sentences, report_vectors
from vlp3d_core.train.cases import fraction
from vlp3d_core.train.gtgm import GTGM
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.train.mg3d import MG3D
from vlp3d_core.train.pair_module import PairModule
from vlp3d_core.train.pairs import PairDataset, Text, join
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.processes import first_then_all, leads
from vlp3d_core.train.run_folder import fit, prepare_run
from vlp3d_core.train.run_record import recorded
from vlp3d_core.train.store import Stored, preprocess_images
from vlp3d_core.train.t3d import T3D
from vlp3d_core.train.trainer import Extras, quiet

MODULES: dict[str, type[PairModule]] = {"gtgm": GTGM, "t3d": T3D}  # and MG3D, which predicts words, too


def pretrain(
    config: PretrainConfig,
    manifest: Path,
    out: Path,
    resume: bool = False,
    text_encoder: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Pretrained:
    """Train on the pairs of the split "train", validate on those of "validation", write `out/pretrained.*`.

    Args:
        manifest: JSON lines with reports, see `train.manifest`.
        out: the run folder: settings, logs, checkpoints, weights, cache of preprocessed volumes.
        resume: go on from the run folder's last checkpoint; the losses are those of an unbroken run.
        text_encoder: folder of a text tower; None is the embedded one.
        cache: folder of preprocessed volumes, which several runs may share; None is one in `out`.

    Raises:
        Stopped: on request; resume it.
        MedVLPError: the manifest, the settings or the run folder cannot be used.
    """
    quiet()
    pl.seed_everything(config.seed, verbose=False)
    train, validation = pairs_for(config, manifest)
    encoder = TextEncoder.load(text_encoder)
    module, masker = module_for(config, encoder)
    prepare_run(config, out, resume)
    if leads(config):
        note_subjects(out, (case.subject for case in train), (out if resume else None,))

    def stored(cases: Sequence[Case]) -> list[Stored]:
        return preprocess_images(cases, cache or out / "cache", config, progress)

    with recorded(config, out, manifest, resume):
        texts = [_texts([c.report for c in chosen], encoder, masker) for chosen in (train, validation)]
        module.model.standardise_text(torch.from_numpy(np.concatenate([text.sentences for text in texts[0]])))
        items = PairDataset(stored(train), texts[0], config.patch, config.seed, config.shuffle)
        held_out = PairDataset(stored(validation), texts[1], config.patch, None)
        loaders = Loaders(config, items, held_out, config.batch, join)
        extras = Extras(metric="val_recall10", label="Recall@10")
        weights = fit(config, module, loaders, out, resume, progress, cancel, extras)
        card = _card(config, encoder, manifest, len(train))
        first_then_all(config, lambda: save_pretrained(out, weights, card))
    return load_pretrained(out)


def module_for(config: PretrainConfig, encoder: TextEncoder) -> tuple[PairModule, WordMasker | None]:
    """The method with fresh weights, and what masks words for it if it predicts some."""
    if config.method != "mg3d":
        return MODULES[config.method](config, encoder.dimension), None
    masker = WordMasker(encoder)
    return MG3D(config, encoder.dimension, masker), masker


def pairs_in(manifest: Path) -> list[Case]:
    """The cases of a manifest that have a report.

    Raises:
        MedVLPError: the manifest cannot be used, or no case has a report.
    """
    cases = [case for case in read_manifest(manifest) if case.report]
    if not cases:
        raise MedVLPError(
            f"No volume in {manifest} has a report.", 'Add "report" to its lines, or make captions from its label maps.'
        )
    return cases


def pairs_for(config: PretrainConfig, manifest: Path) -> tuple[list[Case], list[Case]]:
    """Training (the fraction that the settings ask for) and validation pairs.

    Raises:
        MedVLPError: the manifest cannot be used, or has too few pairs or other ones than the settings are for.
    """
    cases = pairs_in(manifest)
    train, validation = ([c for c in cases if c.split == split] for split in ("train", "validation"))
    train = fraction(train, config.data_fraction, config.seed)
    _check_cases(train, validation, config, manifest)
    return train, validation


def _texts(reports: Sequence[str], encoder: TextEncoder, masker: WordMasker | None) -> list[Text]:
    vectors = report_vectors(reports, encoder)
    if masker is None:
        return [Text(v) for v in vectors]
    return [Text(v, masker.tokens(report_sentences(r))) for v, r in zip(vectors, reports, strict=True)]


def _check_cases(train: list[Case], validation: list[Case], config: PretrainConfig, manifest: Path) -> None:
    other = sorted({c.modality for c in (*train, *validation)} - {"", config.modality})
    if other:
        raise MedVLPError(
            f"{manifest} has volumes of {', '.join(other)}, and the recipe is for {config.modality}.",
            "Leave them out, or set modality, normalisation and spacing for them.",
        )
    together = config.batch * config.processes
    if len(train) < together:
        part = "" if config.data_fraction == 1 else f" in a fraction of {config.data_fraction:g}"
        raise MedVLPError(
            f"{manifest} has {len(train)} pairs for training{part}, fewer than a batch of {together}.",
            f"Add volumes with reports, or set batch={max(2, len(train) // config.processes)}.",
        )
    if len(validation) < 2:
        raise MedVLPError(
            f"{manifest} has {len(validation)} pairs for validation.", 'Give at least two the split "validation".'
        )


def _card(config: PretrainConfig, encoder: TextEncoder, manifest: Path, studies: int) -> dict[str, object]:
    return {
        "method": config.method,
        "objectives": list(config.objectives),
        "architecture": {
            "encoder": config.encoder,
            "encoder_options": config.encoder_options,
            "text_dimension": encoder.dimension,
            "dimension": config.dimension,
        },
        "modality": config.modality,
        "spacing": list(config.spacing),
        "field": list(config.patch),
        "normalisation": config.normalisation,
        "text_encoder": {"name": encoder.folder.name, "sha256": encoder.sha256},
        "data": {"manifest": manifest.name, "training_studies": studies},
        "recipe": config.to_json(),
    }

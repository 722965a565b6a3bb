"""Runs fine-tuning from a manifest to a bundle: data, network, training, the best weights, the card."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from safetensors.torch import load_file

from vlp3d_core.model.bundle import Bundle, read_bundle, write_bundle
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.callbacks import BestWeights
from vlp3d_core.train.card import bundle_card
from vlp3d_core.train.cases import cases_for
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.data import PatchDataset
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.loaders import Loaders, WholeVolumes
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.mirror import mirror_pairs
from vlp3d_core.train.processes import first_then_all, leads
from vlp3d_core.train.queries import query_texts
from vlp3d_core.train.run_folder import fit, prepare_run
from vlp3d_core.train.run_record import recorded
from vlp3d_core.train.start_from import start_from
from vlp3d_core.train.store import Stored, preprocess
from vlp3d_core.train.text_basis import text_basis
from vlp3d_core.train.trainer import BEST, Extras, quiet
from vlp3d_core.volume.normalise import Normalisation

FREE = {
    *("name", "title", "description", "licence", "data", "limits", "postprocess", "anchors", "anchor_score", "splits"),
}
"""Settings of the card and of inference: they may change when a run is resumed."""


def finetune(
    config: FinetuneConfig,
    manifest: Path,
    out: Path,
    init: Path | None = None,
    resume: bool = False,
    text_encoder: Path | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Bundle:
    """Train, keep the best weights by validation, and write `out/bundle`.

    Ctrl-C, SIGTERM and `cancel` end the run after the current step with a checkpoint to resume from.

    Args:
        manifest: JSON lines, see `train.manifest`.
        out: the run folder: settings, logs, checkpoints, best weights, bundle, cache of preprocessed volumes.
        init: a bundle or run folder whose weights to start from where names and shapes agree.
        resume: go on from the run folder's last checkpoint; the losses are those of an unbroken run.
        text_encoder: folder of a text tower; None is the embedded one.

    Raises:
        Stopped: on request; resume it.
        MedVLPError: the manifest, the settings, `init` or the run folder cannot be used.
    """
    quiet()
    pl.seed_everything(config.seed, verbose=False)
    chosen = cases_for(config, manifest)
    encoder = TextEncoder.load(text_encoder)
    # Whatever could go wrong goes wrong before the hours of work: the card and the network come first.
    start = f" --init {init.name}" if init is not None else ""
    command = f"vlp3d finetune {config.name} --manifest {manifest.name} --out {out.name}{start}"
    card = bundle_card(config, encoder, command)
    texts = query_texts(config.concepts, encoder)
    module = TextQueriedSegmentation(config, texts)
    # Of the structures to be trained: two that are named alike (anterior and posterior hippocampus have a cosine of
    # 0.96 about the mean of all concepts) would first have to be told apart, and some runs never got there.
    module.model.text_mean.copy_(texts.prototypes.mean(0))
    module.model.text_basis.copy_(text_basis(concepts().values(), encoder, config.text_rank))
    if init is not None:
        start_from(module.model, init)
    prepare_run(config, out, resume, FREE)
    subjects = [case.subject for case in chosen[0]]
    if leads(config):
        note_subjects(out, subjects, (init, out if resume else None))
    normalisation = Normalisation.from_json(config.normalisation)

    def stored(cases: list[Case]) -> list[Stored]:
        return preprocess(cases, out / "cache", config.concepts, config.spacing, normalisation, progress)

    with recorded(config, out, manifest, resume):
        train, validation = (stored(cases) for cases in chosen)
        extras = Extras((BestWeights(out / BEST),), metric="val_dice", label="Dice")
        length = config.steps * config.items_a_step
        patches = PatchDataset(train, config.patch, length, mirror_pairs(config.concepts), config.seed)
        loaders = Loaders(config, patches, WholeVolumes(validation))
        fit(config, module, loaders, out, resume, progress, cancel, extras)

        def finish() -> None:
            module.model.load_state_dict(load_file(out / BEST))
            write_bundle(out / "bundle", module.model, texts.prototypes, card)
            note_subjects(out / "bundle", subjects, (out,))

        first_then_all(config, finish)
    return read_bundle(out / "bundle")

"""Runs fine-tuning from a manifest to a bundle: data, network, training, the best weights, the card."""

from __future__ import annotations

import json
from pathlib import Path

import lightning.pytorch as pl
from safetensors.torch import load_file

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.model.bundle import Bundle, write_bundle
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.card import bundle_card
from vlp3d_core.train.cases import cases_for
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.queries import query_texts
from vlp3d_core.train.start_from import start_from
from vlp3d_core.train.stop import stop_on_signals
from vlp3d_core.train.store import preprocess
from vlp3d_core.train.text_basis import text_basis
from vlp3d_core.train.trainer import BEST, LAST, make_trainer, quiet
from vlp3d_core.volume.normalise import Normalisation

SETTINGS = "config.json"
FREE = {
    *("name", "title", "description", "licence", "data", "limits", "postprocess", "anchors", "anchor_score", "splits"),
    *("steps", "validate_every", "workers", "precision"),
}
"""Settings that may change when a run is resumed; with any other one changed it would be another run."""


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
    mean, basis = text_basis(concepts().values(), encoder, config.text_rank)
    module.model.text_mean.copy_(mean)
    module.model.text_basis.copy_(basis)
    if init is not None:
        start_from(module.model, init)
    _prepare(config, out, resume)
    normalisation = Normalisation.from_json(config.normalisation)
    train, validation = (
        preprocess(cases, out / "cache", config.concepts, config.spacing, normalisation, progress) for cases in chosen
    )
    _fit(config, module, Loaders(config, train, validation), out, resume, progress, cancel)
    module.model.load_state_dict(load_file(out / BEST))
    return write_bundle(out / "bundle", module.model, texts.prototypes, card)


def _fit(
    config: FinetuneConfig,
    module: TextQueriedSegmentation,
    loaders: Loaders,
    out: Path,
    resume: bool,
    progress: Progress,
    cancel: Cancel,
) -> None:
    with stop_on_signals(cancel) as stop:
        trainer = make_trainer(config, out, progress, stop, resume)
        try:
            # weights_only: a checkpoint holds tensors, numbers and texts; nothing is unpickled.
            trainer.fit(module, datamodule=loaders, ckpt_path=str(out / LAST) if resume else None, weights_only=True)
        except SystemExit as left:  # how Lightning answers an impatient second Ctrl-C
            raise KeyboardInterrupt from left


def _prepare(config: FinetuneConfig, out: Path, resume: bool) -> None:
    """Make the run folder; refuse to mix two runs in one.

    Raises:
        MedVLPError: nothing to resume, settings that differ, or a run that would be overwritten.
    """
    settings = json.loads(json.dumps(config.to_json()))
    if resume:
        if not (out / LAST).exists():
            raise MedVLPError(f"There is no checkpoint to resume in {out}.", "Start the run without --resume.")
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8")) if (out / SETTINGS).exists() else settings
        changed = sorted(k for k in settings if k not in FREE and before.get(k, settings[k]) != settings[k])
        if changed:
            raise MedVLPError(
                f"The run in {out} was started with other settings: {', '.join(changed)}.",
                "Resume it with the same ones, or start anew in another folder.",
            )
    elif (out / LAST).exists():
        raise MedVLPError(f"{out} already holds a run.", "Go on with --resume, or choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / BEST).unlink(missing_ok=True)
    with replacing(out / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")

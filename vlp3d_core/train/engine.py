"""Fine-tuning of a segmentation model, from a manifest to a bundle."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Unpack

from vlp3d_core.model.bundle import Bundle, read_bundle, write_bundle
from vlp3d_core.model.registry import IN_RUN
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.callbacks import NO_STRUCTURE
from vlp3d_core.train.card import bundle_card
from vlp3d_core.train.cases import cases_for
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.data import PatchDataset
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.loaders import Loaders, WholeVolumes
from vlp3d_core.train.mirror import mirror_pairs
from vlp3d_core.train.queries import query_texts
from vlp3d_core.train.store import preprocess
from vlp3d_core.train.synthesis.held_out import check_all_maps, check_tissues, made_once
from vlp3d_core.train.task import How, Run, Task, Told, run_task
from vlp3d_core.train.text_basis import text_basis
from vlp3d_core.volume.normalise import Normalisation


class Segmentation(Task[FinetuneConfig, Bundle]):
    """Learns to segment the structures of `config.concepts`; writes `out/bundle`.

    Args:
        text_encoder: folder of a text tower; None is the embedded one.
    """

    metric, label, blind = "val_dice", "Dice", NO_STRUCTURE
    # Settings of the card and of inference.
    free = frozenset(
        {
            *("name", "title", "description", "licence", "data", "limits"),
            *("postprocess", "anchors", "anchor_score", "splits"),
        }
    )

    def __init__(self, run: Run[FinetuneConfig], text_encoder: Path | None = None) -> None:
        self.run, config = run, run.config
        self.train, self.validation = cases_for(config, run.manifest)
        encoder = TextEncoder.load(text_encoder)
        self.bundle_card = bundle_card(config, encoder, self.command)
        self.texts = query_texts(config.concepts, encoder)
        self.module = TextQueriedSegmentation(config, self.texts)
        # Of the structures to be trained: about the mean of all concepts two that are named alike (anterior and
        # posterior hippocampus) would first have to be told apart, and some runs never got there.
        self.module.model.text_mean.copy_(self.texts.prototypes.mean(0))
        self.module.model.text_basis.copy_(text_basis(concepts().values(), encoder, config.text_rank))

    def loaders(self) -> Loaders:
        config = self.run.config
        normalisation = Normalisation.from_json(config.normalisation)
        synthesis = self.module.synthesis
        maps, patch = (synthesis.maps, synthesis.map_shape(config.patch)) if synthesis else (None, config.patch)
        if patch != config.patch:
            check_all_maps(self.train)
        settings = (config.concepts, config.spacing, normalisation, self.run.progress, maps)
        train, validation = (preprocess(cases, self.run.prepared, *settings) for cases in (self.train, self.validation))
        check_tissues([*train, *validation], synthesis)
        length = config.steps * config.items_a_step
        patches = PatchDataset(train, patch, length, mirror_pairs(config.concepts), config.seed)
        return Loaders(config, patches, WholeVolumes(made_once(validation, synthesis, config.seed)))

    def save(self, score: float) -> None:
        folder = self.run.out / IN_RUN
        write_bundle(folder, self.module.model, self.texts.prototypes, self.bundle_card)
        note_subjects(folder, (case.subject for case in self.train), (self.run.out,))

    def saved(self) -> Bundle:
        return read_bundle(self.run.out / IN_RUN)

    @classmethod
    def tell(cls, run: Run[FinetuneConfig], result: Bundle) -> Told:
        return Told(
            f"{result.folder}: the model {result.name}, {len(result.concepts)} structures",
            ("segment", "SCAN", "-o", "OUT.seg.nrrd", "--model", result.folder),
            {"bundle": result.folder, "model": result.name},
        )


def finetune(
    config: FinetuneConfig,
    manifest: Path,
    out: Path,
    init: Path | None = None,
    text_encoder: Path | None = None,
    **how: Unpack[How],
) -> Bundle:
    """Train a segmentation model and write `out/bundle`; the arguments, and what is raised, are those of `run_task`.

    Args:
        text_encoder: folder of a text tower; None is the embedded one.
    """
    return run_task(partial(Segmentation, text_encoder=text_encoder), Run(config, manifest, out, init, **how))

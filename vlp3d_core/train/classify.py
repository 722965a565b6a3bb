"""Classification, from a manifest with findings to a folder that `vlp3d evaluate classification` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Unpack

from vlp3d_core.errors import UsageError
from vlp3d_core.model.classifier import Classifier, SavedClassifier, load_classifier, save_classifier
from vlp3d_core.model.pretrained import CARD as PRETRAINED
from vlp3d_core.train.classification import FindingClassification
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.finding_data import FindingDataset, finding_cases
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.store import preprocess_images
from vlp3d_core.train.task import How, Run, Task, Told, run_task


class Classification(Task[ClassificationConfig, SavedClassifier]):
    """Learns to tell findings; writes `out/classifier.*`. A linear run takes seconds and is not resumed."""

    metric, label = "val_auroc", "AUROC"
    blind = ("Of no finding the validation volumes show both kinds.", "Give the split 'validation' more volumes.")

    def __init__(self, run: Run[ClassificationConfig]) -> None:
        self.run, config = run, run.config
        self.train, self.validation, self.findings = finding_cases(config, run.manifest)
        self.linear = config.mode == "linear"
        if self.linear and run.resume:
            raise UsageError("A linear run is not resumed: it takes seconds.", "Start it again in another folder.")
        if self.linear and run.init is not None:
            _check_sees(run.init, config)
        self.module = FindingClassification(config, Classifier(self.findings, config.encoder, config.encoder_options))

    def learn(self) -> float:
        if not self.linear:
            return super().learn()
        from vlp3d_core.train.linear_probe import fit_linear

        items, held_out = self._data(None)
        return fit_linear(self.module.model, items, held_out, self.run.progress, self.run.cancel)

    def loaders(self) -> Loaders:
        config = self.run.config
        return Loaders(config, *self._data(config.seed), config.batch)

    def save(self, score: float) -> None:
        config = self.run.config
        architecture = {
            "findings": list(self.findings),
            "encoder": config.encoder,
            "encoder_options": config.encoder_options,
        }
        card = self.card(architecture, {"training_volumes": len(self.train)}, score)
        save_classifier(self.run.out, self.module.model, {**card, "mode": config.mode})

    def saved(self) -> SavedClassifier:
        return load_classifier(self.run.out)

    @classmethod
    def tell(cls, run: Run[ClassificationConfig], result: SavedClassifier) -> Told:
        findings, score = len(result.model.findings), result.card["validation_auroc"]
        return Told(
            f"{run.out}: a classifier of {findings} findings, mean AUROC on validation {score:.2f}",
            ("evaluate", "classification", "--model", run.out, "--manifest", run.manifest),
            page=run.config.mode != "linear",
        )

    def _data(self, seed: int | None) -> tuple[FindingDataset, FindingDataset]:
        """To train on, and to validate on."""
        run = self.run
        held_out, stored = (
            preprocess_images(cases, run.prepared, run.config, run.progress) for cases in (self.validation, self.train)
        )
        return (
            FindingDataset(stored, self.findings, run.config.patch, seed),
            FindingDataset(held_out, self.findings, run.config.patch, None),
        )


def classify(
    config: ClassificationConfig, manifest: Path, out: Path, init: Path | None = None, **how: Unpack[How]
) -> SavedClassifier:
    """Train a classifier and write `out/classifier.*`; the arguments, and what is raised, are those of `run_task`."""
    return run_task(Classification, Run(config, manifest, out, init, **how))


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

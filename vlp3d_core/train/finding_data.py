"""Volumes with what is known of their findings, to train and validate on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch.utils.data import Dataset

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.cases import fraction
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.train.pairs import crop_centre, place_in_rounds
from vlp3d_core.train.store import Stored
from vlp3d_core.volume.cut import cut


class FindingDataset(Dataset[dict[str, Any]]):
    """Crops with the findings of their volume; item n is the same for the same seed whatever was drawn before.

    Args:
        stored: preprocessed volumes.
        findings: names, in the order of `target`.
        patch: size of a crop in voxels.
        seed: with the index decides the volume and the crop; None always gives volume n, cut in its middle.
    """

    def __init__(
        self, stored: Sequence[Stored], findings: Sequence[str], patch: Sequence[int], seed: int | None
    ) -> None:
        self.stored, self.patch, self.seed = stored, tuple(patch), seed
        self.targets = targets_of([s.case for s in stored], findings)

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> dict[str, Any]:
        place = place_in_rounds(index, len(self.stored), self.seed)
        stored = self.stored[place]
        centre = crop_centre(stored.image.shape, self.patch, index, self.seed)
        crop = cut(stored.image, centre, self.patch, -1.0).astype(np.float32)
        return {
            "image": torch.from_numpy(crop)[None],
            "target": torch.from_numpy(self.targets[place]),
            "subject": stored.case.subject,
        }


def targets_of(cases: Sequence[Case], findings: Sequence[str]) -> NDArray[np.float32]:
    """(N, F): 1 there, 0 not there, NaN unknown."""
    rows = [[float(case.findings[f]) if f in case.findings else np.nan for f in findings] for case in cases]
    return np.array(rows, np.float32).reshape(len(cases), len(findings))


def mean_auroc(logits: NDArray[np.floating[Any]], targets: NDArray[np.floating[Any]]) -> float:
    """Mean over the findings of which both kinds of volumes are known; NaN where there is none. Both are (N, F)."""
    areas = []
    for score, target in zip(logits.T, targets.T, strict=True):
        known = np.isfinite(target)
        if len(np.unique(target[known])) == 2:
            areas.append(roc_auc_score(target[known], score[known]))
    return float(np.mean(areas)) if areas else float("nan")


def finding_cases(config: ClassificationConfig, manifest: Path) -> tuple[list[Case], list[Case], tuple[str, ...]]:
    """Training (the fraction that the settings ask for) and validation cases, and the findings to learn.

    Raises:
        MedVLPError: the manifest cannot be used, or validation could not tell a good model from a bad one.
    """
    cases = [case for case in read_manifest(manifest) if case.findings]
    train, validation = ([c for c in cases if c.split == split] for split in ("train", "validation"))
    # Of all training cases, so that runs on parts of the labels learn the same findings.
    findings = config.findings or tuple(sorted({name for case in train for name in case.findings}))
    targets = targets_of(validation, findings)
    if not train or np.isnan(mean_auroc(targets, targets)):
        raise MedVLPError(
            f"{manifest} has {len(train)} volumes for training and {len(validation)} for validation whose findings are "
            f"known, and of no finding both volumes with it and without it in validation.",
            'Add "findings": {"lung_nodule": true, …} to its lines, in both splits.',
        )
    return fraction(train, config.label_fraction, config.seed), validation, findings

"""Which cases of a manifest a run takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.manifest import Case, read_manifest


def cases_for(config: FinetuneConfig, manifest: Path) -> tuple[list[Case], list[Case]]:
    """Training (the fraction that the settings ask for) and validation cases.

    Raises:
        MedVLPError: the manifest cannot be used, or one of the splits shows no structure of the settings.
    """
    cases = read_manifest(manifest, tissues=bool(config.synthesis))
    train = fraction([c for c in cases if c.split == "train"], config.label_fraction, config.seed)
    validation = [c for c in cases if c.split == "validation"]
    for split, chosen in (("train", train), ("validation", validation)):
        if not any(_may_show(c, config.concepts) for c in chosen):
            raise MedVLPError(
                f"No volume of the split {split!r} in {manifest} has a contour of {', '.join(config.concepts)}.",
                "Check the manifest's labels and splits.",
            )
    return train, validation


def fraction(cases: Sequence[Case], part: float, seed: int) -> list[Case]:
    """The cases of that part of the subjects, of one subject at least.

    Subsets of the same seed are nested: the subjects of 1 % are among those of 10 %.
    """
    subjects = sorted({case.subject for case in cases})
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed)).tolist()
    keep = {subjects[i] for i in order[: max(1, round(part * len(subjects)))]}
    return [case for case in cases if case.subject in keep]


def _may_show(case: Case, concepts: Sequence[str]) -> bool:
    named = set(case.labels.values())
    shown = named if case.contoured is None else named & set(case.contoured)
    return case.label is not None and not shown.isdisjoint(concepts)

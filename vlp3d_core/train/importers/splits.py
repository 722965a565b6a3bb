"""Splits of data sets that have only some of the three, by subject: the name of a subject and the seed decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vlp3d_core.train.collect import VALIDATION, shuffled, with_splits
from vlp3d_core.train.manifest import Case


def with_validation(cases: Iterable[Case], seed: int) -> list[Case]:
    """For sets with a training and a test split: a tenth of the training subjects become the validation split.

    It is one at least where there are two. Other splits stay as they are.
    """
    cases = list(cases)
    subjects = shuffled({c.subject for c in cases if c.split == "train"}, seed)
    moved = set(subjects[: max(round(VALIDATION * len(subjects)), int(len(subjects) >= 2))])
    return [replace(c, split="validation") if c.subject in moved else c for c in cases]


def labelled_splits(cases: Iterable[Case], seed: int) -> list[Case]:
    """For challenges that keep the labels of their test volumes back.

    Labelled volumes are split into all three, for only they can be scored; volumes without labels are "test".
    """
    cases = list(cases)
    labelled = {c.image: c for c in with_splits((c for c in cases if c.label), seed)}
    return [labelled.get(c.image, replace(c, split="test")) for c in cases]

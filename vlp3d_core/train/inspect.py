"""Looks through the files of a manifest before hours are spent on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.text.report import split_sentences
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.volume import Volume

ENGLISH = frozenset(
    ("the", "of", "and", "is", "are", "in", "with", "no", "there", "to", "a", "an", "for", "on", "right")
)
THIN = 8.0
"""Slices this many times thicker than their pixels are wide are worth a word."""


@dataclass(frozen=True)
class Remark:
    """One thing about one line.

    Attributes:
        level: "error": a run would stop or learn something wrong; "warning": worth knowing.
        subject: of the line.
        text: one sentence.
    """

    level: Literal["error", "warning"]
    subject: str
    text: str


def inspect_manifest(
    path: Path, progress: Progress = silent, cancel: Cancel = never
) -> tuple[list[Case], list[Remark]]:
    """Open every volume and label map; find what is unreadable, twice there, misplaced, unnamed or empty.

    Raises:
        MedVLPError: the manifest itself cannot be used.
        Cancelled: `cancel` said so.
    """
    cases = read_manifest(path)
    remarks: list[Remark] = []
    seen: dict[str, Case] = {}
    for number, case in enumerate(cases, 1):
        check(cancel)
        remarks += _of_report(case)
        try:
            volume = read_volume(case.image, modality=case.modality or None)
        except MedVLPError as error:
            remarks.append(Remark("error", case.subject, str(error)))
        else:
            remarks += [*_of_volume(case, volume), *_of_label(case, volume), *_of_content(case, volume, seen)]
        progress("checking", number / len(cases))
    splits = {case.split for case in cases}
    remarks += [
        Remark("warning", "", f"No subject is in the split {name!r}.")
        for name in ("train", "validation")
        if name not in splits
    ]
    return cases, remarks


def _of_report(case: Case) -> list[Remark]:
    words = [w.strip(".,:;()").lower() for w in case.report.split()]
    if len(words) >= 12 and sum(w in ENGLISH for w in words) < 0.06 * len(words):
        text = "Its report does not look English; the embedded text encoder knows English only."
        return [Remark("warning", case.subject, text)]
    if case.report and not split_sentences(case.report):
        return [Remark("error", case.subject, "Its report has no sentence.")]
    return []


def _of_volume(case: Case, volume: Volume) -> list[Remark]:
    remarks = [Remark("warning", case.subject, note) for note in (volume.source.notes if volume.source else ())]
    spacing = sorted(volume.spacing)
    if spacing[-1] > THIN * spacing[0]:
        text = f"{case.image.name} has voxels of {' x '.join(f'{s:.2f}' for s in volume.spacing)} mm."
        remarks.append(Remark("warning", case.subject, text))
    if not volume.modality:
        text = f"The modality of {case.image.name} is not known; write it into the manifest."
        remarks.append(Remark("warning", case.subject, text))
    return remarks


def _of_label(case: Case, volume: Volume) -> list[Remark]:
    if case.label is None:
        return []
    try:
        labels, affine = read_labels(case.label)
    except MedVLPError as error:
        return [Remark("error", case.subject, str(error))]
    i, j, k = labels.shape
    remarks = []
    if not Grid.of(volume).matches(Grid((i, j, k), affine), tolerance=0.05):
        text = f"The label map {case.label.name} does not lie on the grid of {case.image.name}."
        remarks.append(Remark("error", case.subject, text))
    values = set(np.unique(labels).tolist()) - {0}
    if not values:
        remarks.append(Remark("warning", case.subject, f"The label map {case.label.name} is empty."))
    if unnamed := sorted(values - set(case.labels)):
        text = f"{case.label.name} has values without a name: {_few(unnamed)}."
        remarks.append(Remark("warning", case.subject, text))
    return remarks


def _of_content(case: Case, volume: Volume, seen: dict[str, Case]) -> list[Remark]:
    content = hashlib.sha256(str(volume.shape).encode() + np.ascontiguousarray(volume.array).data).hexdigest()
    first = seen.setdefault(content, case)
    if first is case:
        return []
    apart = first.split != case.split
    where = f"{first.image.name} of {first.subject}" + (f", which is in another split ({first.split})" if apart else "")
    level: Literal["error", "warning"] = "error" if apart else "warning"
    return [Remark(level, case.subject, f"{case.image.name} has the same voxels as {where}.")]


def _few(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:8])) + (" …" if len(values) > 8 else "")

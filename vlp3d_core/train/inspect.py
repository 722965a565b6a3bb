"""Looks through the files of a manifest before hours are spent on them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.text.report import split_sentences
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.train.synthesis.tissues import read_tissues
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.volume import Volume

ENGLISH = frozenset(
    ("the", "of", "and", "is", "are", "in", "with", "no", "there", "to", "a", "an", "for", "on", "right")
)
NUMBERS = re.compile(r"\d+(?:\.\d+)?(?:(?:, | x )\d+(?:\.\d+)?)*(?: …)?")
"""In a remark; a list of them counts as one."""
THIN = 8.0
"""Slices this many times thicker than their pixels are wide are worth a word."""


@dataclass(frozen=True)
class Remark:
    """One thing about one line.

    Attributes:
        level: "error": a run would stop or learn something wrong; "warning": worth knowing.
        subject: of the line; "" for the whole manifest.
        text: what is the matter, without the file's name, so that the same thing has the same words in each line.
        file: name of the file that it is about; "" for none.
    """

    level: Literal["error", "warning"]
    subject: str
    text: str
    file: str = ""


@dataclass(frozen=True)
class Group:
    """Remarks of the same words; numbers may differ.

    Attributes:
        level, text: of the first of them.
        count: of lines; 0 where it is about the whole manifest.
        example: subject and file of the first of them; "" where it is about the whole manifest.
    """

    level: Literal["error", "warning"]
    text: str
    count: int
    example: str

    def __str__(self) -> str:
        if self.count > 1:
            return f"{self.count} volumes: {self.text} For example {self.example}."
        return f"{self.example}: {self.text}" if self.example else self.text


def grouped(remarks: Iterable[Remark]) -> list[Group]:
    """Errors first, else in the order in which they came up."""
    groups: dict[tuple[str, str], list[Remark]] = {}
    for remark in remarks:
        groups.setdefault((remark.level, NUMBERS.sub("#", remark.text)), []).append(remark)
    made = []
    for found in groups.values():
        first = found[0]
        file = f" ({first.file})" if first.file else ""
        made.append(Group(first.level, first.text, len(found) if first.subject else 0, f"{first.subject}{file}"))
    return sorted(made, key=lambda group: group.level)


def inspect_manifest(
    path: Path, progress: Progress = silent, cancel: Cancel = never
) -> tuple[list[Case], list[Remark]]:
    """Open every volume and label map; find what is unreadable, twice there, misplaced, unnamed or empty.

    Returns:
        the cases, each with the modality that a run will take it for ("" where neither manifest nor file says it), and
        the remarks.

    Raises:
        MedVLPError: the manifest itself cannot be used.
        Cancelled: `cancel` said so.
    """
    cases = read_manifest(path, tissues=True)
    remarks: list[Remark] = []
    seen: dict[str, Case] = {}
    for number, case in enumerate(list(cases), 1):
        check(cancel)
        remarks += _of_report(case)
        try:
            volume = read_tissues(case.image) if case.made_from else read_volume(case.image)
        except MedVLPError as error:
            remarks.append(Remark("error", case.subject, _of_it(str(error), case.image), case.image.name))
        else:
            cases[number - 1] = replace(case, modality=case.modality or volume.modality)
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
    texts = [_of_it(note, case.image) for note in (volume.source.notes if volume.source else ())]
    spacing = sorted(volume.spacing)
    if spacing[-1] > THIN * spacing[0]:
        texts.append(f"Voxels of {' x '.join(f'{s:.2f}' for s in volume.spacing)} mm.")
    if not case.modality and not volume.modality:
        texts.append("The modality is not known: neither manifest nor file says it.")
    elif case.modality and volume.modality not in ("", case.modality):
        texts.append(f"The manifest says {case.modality}, and the file looks like {volume.modality}.")
    return [Remark("warning", case.subject, text, case.image.name) for text in texts]


def _of_label(case: Case, volume: Volume) -> list[Remark]:
    if case.label is None:
        return []
    try:
        labels, affine = read_labels(case.label)
    except MedVLPError as error:
        return [Remark("error", case.subject, _of_it(str(error), case.label), case.label.name)]
    i, j, k = labels.shape
    remarks = []
    if not Grid.of(volume).matches(Grid((i, j, k), affine), tolerance=0.05):
        text = "The label map does not lie on the grid of its volume."
        remarks.append(Remark("error", case.subject, text, case.label.name))
    values = set(np.unique(labels).tolist()) - {0}
    if not values:
        remarks.append(Remark("warning", case.subject, "The label map is empty.", case.label.name))
    if unnamed := sorted(values - set(case.labels)):
        text = f"The label map has values without a name: {_few(unnamed)}."
        remarks.append(Remark("warning", case.subject, text, case.label.name))
    return remarks


def _of_content(case: Case, volume: Volume, seen: dict[str, Case]) -> list[Remark]:
    content = hashlib.sha256(str(volume.shape).encode() + np.ascontiguousarray(volume.array).data).hexdigest()
    first = seen.setdefault(content, case)
    if first is case:
        return []
    apart = first.split != case.split
    where = f"{first.image.name} of {first.subject}" + (f", which is in another split ({first.split})" if apart else "")
    level: Literal["error", "warning"] = "error" if apart else "warning"
    return [Remark(level, case.subject, f"It has the same voxels as {where}.", case.image.name)]


def _of_it(text: str, path: Path) -> str:
    """A sentence about a file without its name."""
    for name in (str(path), path.name):
        text = text.replace(name, "the file")
    return text[:1].upper() + text[1:]


def _few(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:8])) + (" …" if len(values) > 8 else "")

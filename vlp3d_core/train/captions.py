"""Texts for volumes without reports, from facts that are measured in them. Nothing leaves this computer."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core import __version__
from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import Fact, measure
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.text.report import Measured, StudyFacts, write_report
from vlp3d_core.text.report.kinds import words
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume

MOST = 12
"""Structures that a caption measures; the largest ones."""

Labelled = tuple[NDArray[np.unsignedinteger[Any]], dict[int, str]]


@dataclass(frozen=True)
class Captioned:
    """Cases with texts, and in words what was left without one."""

    cases: tuple[Case, ...]
    notes: tuple[str, ...]


def caption(
    cases: Sequence[Case],
    segment: Callable[[Volume], Segmentation] | None = None,
    again: bool = False,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Captioned:
    """Write a text for every case that has none.

    Args:
        cases: of a manifest.
        segment: labels a volume that has no label map; None leaves such volumes without a text.
        again: replace captions made earlier, too; reports that people wrote stay.

    Raises:
        MedVLPError: a volume or label map cannot be read.
        Cancelled: `cancel` said so.
    """
    out, left = [], Counter[str]()
    for number, case in enumerate(cases, 1):
        check(cancel)
        if not case.report or (again and case.caption):
            facts = facts_of(case, segment)
            if facts.measured:
                text = write_report(facts, zlib.crc32(case.subject.encode()), impression=False)
                made = {"maker": "facts", "version": __version__, "crop": "whole volume"}
                case = replace(case, report=text, caption=made)
            else:
                left[
                    "no structure was found" if case.label or segment else "no label map, and no model to make one"
                ] += 1
        out.append(case)
        progress("measuring", number / len(cases))
    return Captioned(tuple(out), tuple(f"{n} volumes were left without a text: {why}." for why, n in left.items()))


def facts_of(case: Case, segment: Callable[[Volume], Segmentation] | None = None) -> StudyFacts:
    """What can be measured in a case: the structures of its label map, or of a model's segmentation."""
    volume = read_volume(case.image, modality=case.modality or None)
    labelled = _labelled(case, volume, segment)
    rows = measure(volume, *labelled) if labelled else []
    rows = sorted(rows, key=lambda fact: -fact.volume_ml)[:MOST]
    return StudyFacts.of(volume.modality or "CT", regions=_regions(rows), measured=[_measured(row) for row in rows])


def _labelled(case: Case, volume: Volume, segment: Callable[[Volume], Segmentation] | None) -> Labelled | None:
    if case.label is not None:
        labels, _ = read_labels(case.label)
        if labels.shape != volume.shape:
            raise MedVLPError(
                f"The label map {case.label} does not lie on the grid of {case.image}.", "Run `vlp3d manifest check`."
            )
        return labels, case.labels
    if segment is None:
        return None
    found = segment(volume)
    return found.labels, {s.value: s.concept for s in found.segments if s.found}


def _measured(row: Fact) -> Measured:
    return Measured(row.concept, row.volume_ml * 1000, round(row.mean_hu))


def _regions(rows: Iterable[Fact]) -> set[str]:
    shown = {row.concept for row in rows}
    return {region for region, names in words()["shown_by"].items() if shown & set(names)}

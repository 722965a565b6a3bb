"""Captions from facts that are measured in label maps, written by the report grammar. Nothing leaves this computer."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core import __version__
from vlp3d_core.phantom import Fact, measure
from vlp3d_core.text.report import Measured, StudyFacts, write_report
from vlp3d_core.text.report.kinds import words
from vlp3d_core.train.captioning.maker import Left, Made
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels_on
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume

MOST = 12
"""Structures that a caption measures; the largest ones."""

WHOLE = "whole volume"
NO_LABELS = (
    "no label map, and no model to make one (--model NAME segments such volumes, --maker vlm describes their slices)"
)
NOTHING = "no structure was found (--maker vlm describes slices without any)"

Labelled = tuple[NDArray[np.unsignedinteger[Any]], dict[int, str]]
Segment = Callable[[Volume], Segmentation]


class FactsMaker:
    """Volumes and mean intensities of the structures of a label map, or of a model's segmentation.

    Args:
        segment: labels a volume that has no label map; None leaves such volumes without a text.
    """

    name = "facts"
    version = __version__
    settings: Mapping[str, str] = {}

    def __init__(self, segment: Segment | None = None) -> None:
        self._segment = segment

    def caption(self, case: Case, volume: Volume | None = None) -> Made | Left:
        """See `CaptionMaker`. Words vary with the subject, and are the same in every run."""
        facts = facts_of(case, self._segment, volume)
        if facts.measured:
            return Made(write_report(facts, zlib.crc32(case.subject.encode()), impression=False), WHOLE)
        return Left(NOTHING if case.label or self._segment else NO_LABELS)


def facts_of(case: Case, segment: Segment | None = None, volume: Volume | None = None) -> StudyFacts:
    """What can be measured in a case: the structures of its label map, or of a model's segmentation.

    Raises:
        MedVLPError: the volume or label map cannot be read, or they do not fit together.
    """
    volume = volume or read_volume(case.image, modality=case.modality or None)
    labelled = _labelled(case, volume, segment)
    rows = measure(volume, *labelled) if labelled else []
    rows = sorted(rows, key=lambda fact: -fact.volume_ml)[:MOST]
    return StudyFacts.of(volume.modality or "CT", regions=_regions(rows), measured=[_measured(row) for row in rows])


def _labelled(case: Case, volume: Volume, segment: Segment | None) -> Labelled | None:
    if case.label is not None:
        return read_labels_on(case.label, Grid.of(volume), case.image), case.labels
    if segment is None:
        return None
    found = segment(volume)
    return found.labels, {s.value: s.concept for s in found.segments if s.found}


def _measured(row: Fact) -> Measured:
    return Measured(row.concept, row.volume_ml * 1000, round(row.mean))


def _regions(rows: Iterable[Fact]) -> set[str]:
    shown = {row.concept for row in rows}
    return {region for region, names in words()["shown_by"].items() if shown & set(names)}

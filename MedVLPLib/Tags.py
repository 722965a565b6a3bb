"""What MedVLP writes into segments and segmentation nodes, beside name and colour; saved with scene and file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import vtk

from vlp3d_core.volume.segmentation import Segment

CONCEPT = "MedVLP.Concept"
SCORE = "MedVLP.Score"
MODEL = "MedVLP.Model"
VERSION = "MedVLP.Version"
VOLUME_ML = "MedVLP.VolumeMl"
QUERY = "MedVLP.Query"
"""The text that found a region which the user kept."""
RESULTS = "MedVLP.Results"
"""On a segmentation node: "1" where MedVLP wrote into it."""
NOT_FOUND = "MedVLP.NotFound"
"""On the segmentation node: a JSON list of what was looked for and not found."""


def readTag(segment: Any, name: str) -> str:
    """A tag of a vtkSegment, "" where it has none."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def writeTag(segment: Any, name: str, value: str) -> None:
    """Set a tag, without the characters that separate tags in a .seg.nrrd file."""
    clean = " ".join(value.replace("|", " ").split())
    if clean:
        segment.SetTag(name, clean)


def readNumber(segment: Any, name: str) -> float | None:
    """A tag that holds a number; None where it is missing or was damaged."""
    try:
        return float(readTag(segment, name))
    except ValueError:
        return None


def readNotFound(node: Any) -> list[dict[str, Any]]:
    """What the node's runs did not find: dicts with "concept", "name", "color", "score"; [] where nothing is known."""
    try:
        rows = json.loads(node.GetAttribute(NOT_FOUND) or "[]")
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict) and row.get("concept")] if isinstance(rows, list) else []


def writeNotFound(node: Any, asked: Iterable[Segment]) -> None:
    """Bring the node's list up to date with a run: what it found leaves the list, what it did not find enters."""
    asked = list(asked)
    again = {segment.concept for segment in asked}
    rows = [row for row in readNotFound(node) if row["concept"] not in again]
    rows += [
        {"concept": s.concept, "name": s.name, "color": list(s.color), "score": s.score} for s in asked if not s.found
    ]
    node.SetAttribute(NOT_FOUND, json.dumps(rows, ensure_ascii=False) if rows else None)

"""From a worker's answer to what a caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.service.arrays import take_array
from vlp3d_core.service.job import Found, FoundRegion
from vlp3d_core.service.protocol import Garbage, numbers_of
from vlp3d_core.volume.segmentation import Code, Segment, Segmentation
from vlp3d_core.volume.volume import Source, Volume


@dataclass(frozen=True)
class Place:
    """What is remembered of a volume while the worker has it: where it lies and where it came from."""

    affine: NDArray[np.float64]
    shape: tuple[int, ...]
    source: Source

    @staticmethod
    def of(volume: Volume) -> Place:
        """Copies, because the caller may change its own arrays."""
        return Place(np.array(volume.affine, np.float64), volume.shape, volume.source)


def read_result(kind: str, result: Any, folder: Path, place: Place | None) -> Any:
    """What the job of a kind results in; the files that carry its voxels are gone afterwards.

    Raises:
        Garbage: it is not what a worker answers.
    """
    try:
        if kind == "segment":
            assert place is not None
            return _segmentation(result, folder, place)
        if kind == "find":
            return _found(result, folder)
        if not isinstance(result, (dict, list)):
            raise Garbage("The result is missing.")
        return result
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, Garbage):
            raise
        raise Garbage(f"The result cannot be read ({type(error).__name__}: {error}).") from error


def _segmentation(result: Mapping[str, Any], folder: Path, place: Place) -> Segmentation:
    labels = take_array(folder, result["labels"])
    if labels.shape != tuple(place.shape) or labels.dtype.kind != "u":
        raise Garbage("The labels do not have the volume's shape.")
    rows = tuple(_segment(row) for row in result["segments"])
    notes = tuple(str(note) for note in result["notes"])
    return Segmentation(labels, place.affine, rows, str(result["model"]), place.source, notes, dict(result["report"]))


def _segment(row: Mapping[str, Any]) -> Segment:
    return Segment(
        value=int(row["value"]),
        concept=str(row["concept"]),
        name=str(row["name"]),
        color=_color(row["color"]),
        category=_code(row["category"]),
        type=_code(row["type"]),
        modifier=_code(row["modifier"]) if row["modifier"] else None,
        score=float(row["score"]),
        volume_ml=float(row["volume_ml"]),
        found=bool(row["found"]),
        instance=int(row["instance"]),
        centre=_place(row["centre"]) if row["centre"] else None,
    )


def _found(result: Mapping[str, Any], folder: Path) -> Found:
    regions = tuple(_region(row, folder) for row in result["regions"])
    texts = {name: tuple(str(item) for item in result[name]) for name in ("notes", "unknown", "suggestions")}
    return Found(str(result["text"]), regions, **texts)


def _region(row: Mapping[str, Any], folder: Path) -> FoundRegion:
    return FoundRegion(
        rank=int(row["rank"]),
        concept=str(row["concept"]),
        name=str(row["name"]),
        color=_color(row["color"]),
        category=_code(row["category"]),
        type=_code(row["type"]),
        modifier=_code(row["modifier"]) if row["modifier"] else None,
        score=float(row["score"]),
        centre=_place(numbers_of(row, "centre", 3)),
        volume_ml=float(row["volume_ml"]),
        mask=take_array(folder, row["mask"]),
        affine=np.array(numbers_of(row, "affine", 16)).reshape(4, 4),
    )


def _color(values: Any) -> tuple[int, int, int]:
    red, green, blue = values
    return int(red), int(green), int(blue)


def _place(values: Any) -> tuple[float, float, float]:
    r, a, s = values
    return float(r), float(a), float(s)


def _code(values: Any) -> Code:
    scheme, value, meaning = values
    return str(scheme), str(value), str(meaning)

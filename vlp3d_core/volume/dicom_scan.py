"""What lies in a DICOM folder: every image's header, by series."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "ImageType",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_NOT_IMAGES = {
    "1.2.840.10008.1.3.10": "directory",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "radiotherapy dose",
    "1.2.840.10008.5.1.4.1.1.481.3": "radiotherapy structures",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
}


@dataclass(frozen=True)
class Frame:
    """One slice: where its pixels are stored and where it lies, in DICOM's LPS and mm.

    Attributes:
        file: the file that holds it; `index` is None for a single-frame file, else the frame's number from 0.
        position: ImagePositionPatient, centre of the first pixel; None where the file does not say.
        orientation: ImageOrientationPatient, direction of increasing column index and of increasing row index.
        pixel_spacing: distance between rows, then between columns.
        size: (columns, rows).
        slope, intercept: stored value → real value.
        localiser: the scanner calls it a scout.
    """

    file: Path
    index: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    size: tuple[int, int]
    slope: float = 1.0
    intercept: float = 0.0
    localiser: bool = False

    @property
    def placed(self) -> bool:
        return None not in (self.position, self.orientation, self.pixel_spacing)


@dataclass
class Group:
    """All that was found of one series; `kind` is "image", or says what it is instead."""

    uid: str
    number: str
    description: str
    modality: str
    kind: str
    frames: list[Frame] = field(default_factory=list)
    instances: set[str] = field(default_factory=set)
    repeated: int = 0


def read_header(path: Path) -> Dataset | None:
    """The tags of a file that count here; None for a file that is not DICOM.

    Files without the 128-byte preamble count when they begin with a group 0002 or 0008 element.

    Raises:
        Exception: the header is broken; pydicom's errors have no common base class.
    """
    with path.open("rb") as stream:
        head = stream.read(132)
    if head[128:] != b"DICM" and head[:2] not in (b"\x02\x00", b"\x08\x00"):
        return None
    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=_TAGS)
    known = _sop_class(dataset)
    if head[128:] != b"DICM":  # two bytes may be a coincidence
        return dataset if known.startswith("1.") else None
    if not known or ("Rows" not in dataset and UID(known).name.endswith("Image Storage")):
        raise EOFError("the header is cut off")
    return dataset


def _sop_class(dataset: Dataset) -> str:
    return str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID", ""))


def scan(files: Sequence[Path]) -> tuple[list[Group], int]:
    """Group files by series, in the order of their numbers; and count the DICOM files that cannot be read."""
    groups: dict[str, Group] = {}
    broken = 0
    for path in files:
        try:
            dataset = read_header(path)
            if dataset is not None:
                _add(groups, path, dataset)
        except Exception:
            broken += 1
    return sorted(groups.values(), key=lambda group: (group.number.zfill(12), group.uid)), broken


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders, in a fixed order; links to folders are not followed."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(where, name)


def _add(groups: dict[str, Group], path: Path, dataset: Dataset) -> None:
    kind = _kind(dataset)
    if kind == "directory":
        return
    uid = str(dataset.get("SeriesInstanceUID", "") or "unnamed")
    if uid not in groups:
        groups[uid] = Group(
            uid,
            str(dataset.get("SeriesNumber", "") or ""),
            str(dataset.get("SeriesDescription", "") or ""),
            str(dataset.get("Modality", "") or ""),
            kind,
        )
    group = groups[uid]
    instance = str(dataset.get("SOPInstanceUID", "") or path)
    if instance in group.instances:
        group.repeated += 1
        return
    group.instances.add(instance)
    if kind == "image" or group.kind == kind:
        group.frames += _frames(path, dataset)
        # A picture report may share a series with images; the images count.
        group.kind = kind


def _kind(dataset: Dataset) -> str:
    known = _NOT_IMAGES.get(_sop_class(dataset))
    if known:
        return known
    if "Rows" not in dataset or "Columns" not in dataset:
        return f"{dataset.get('Modality', '') or 'document'} without pixels"
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if int(dataset.get("SamplesPerPixel", 1) or 1) != 1 or not photometric.startswith("MONOCHROME"):
        return "color picture"
    return "image"


def _frames(path: Path, dataset: Dataset) -> list[Frame]:
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if groups is None and count == 1:
        return [_frame(path, None, [dataset], dataset)]
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    if groups is None:  # an old multi-frame object, which does not say where its frames lie
        return [_frame(path, index, [], dataset) for index in range(count)]
    return [_frame(path, index, [own, *shared], dataset) for index, own in enumerate(groups)]


def _frame(path: Path, index: int | None, places: Sequence[Dataset], dataset: Dataset) -> Frame:
    """The frame's facts, each from the first of `places` that has it, directly or in its functional group."""
    scaling = [_numbers(places, "PixelValueTransformationSequence", name, 1) for name in _RESCALE]
    image_type = [str(part).upper() for part in dataset.get("ImageType", None) or []]
    return Frame(
        path,
        index,
        _numbers(places, "PlanePositionSequence", "ImagePositionPatient", 3),
        _numbers(places, "PlaneOrientationSequence", "ImageOrientationPatient", 6),
        _numbers(places, "PixelMeasuresSequence", "PixelSpacing", 2),
        (int(dataset.get("Columns", 0)), int(dataset.get("Rows", 0))),
        scaling[0][0] if scaling[0] else 1.0,
        scaling[1][0] if scaling[1] else 0.0,
        "LOCALIZER" in image_type,
    )


_RESCALE = ("RescaleSlope", "RescaleIntercept")


def _numbers(places: Sequence[Dataset], sequence: str, name: str, count: int) -> tuple[float, ...] | None:
    for place in places:
        items: list[Any] = [place, *(place.get(sequence) or [])]
        for item in items:
            value = item.get(name)
            if value is None or value == "":
                continue
            values = [value] if count == 1 else list(value)
            if len(values) == count:
                return tuple(float(v) for v in values)
    return None

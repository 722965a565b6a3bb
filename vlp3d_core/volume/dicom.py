"""A DICOM folder: which series it holds, and one of them as a volume."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.check import RawVolume, check_memory, spatial_shape, truncated
from vlp3d_core.volume.check_geometry import affine_problem, bad_geometry
from vlp3d_core.volume.dicom_geometry import stack
from vlp3d_core.volume.dicom_pixels import read_pixels
from vlp3d_core.volume.dicom_scan import Group, files_below, read_header, scan
from vlp3d_core.volume.volume import MODALITIES

_SLICE_BYTES = 1 << 24
_CHOOSE = "Choose one with --series UID (in Python: series=UID)."


@dataclass(frozen=True)
class Series:
    """One series of a DICOM folder.

    Attributes:
        uid: SeriesInstanceUID.
        description, modality, number: as the scanner wrote them.
        slices: number of images (frames of multi-frame objects counted).
        spacing: voxel size in mm along (i, j, k), None when `problem` is not empty.
        problem: why it cannot be read as a volume ("localiser", "color picture", ...), "" when it can.
    """

    uid: str
    description: str
    modality: str
    slices: int
    spacing: tuple[float, float, float] | None
    number: str = ""
    problem: str = ""

    def __str__(self) -> str:
        name = f"'{self.description}', " if self.description else ""
        remark = f", {self.problem}" if self.problem else ""
        return f"{self.uid} ({name}{self.modality or 'no modality'}, {self.slices} slices{remark})"


def list_series(folder: str | Path) -> list[Series]:
    """The series in a folder and its subfolders, by series number.

    Raises:
        MedVLPError: the folder is missing or holds no DICOM objects.
    """
    with warnings.catch_warnings(action="ignore"):
        return [_series(group) for group in _groups(Path(folder))[0]]


def read_dicom(path: Path, series: str | None = None) -> RawVolume:
    """Read one series of a folder (with its subfolders), or the series that a single file belongs to.

    Args:
        series: SeriesInstanceUID, its unique beginning, or the series number; needed when several can be read.

    Raises:
        MedVLPError: no series or several, not a volume, slices missing, doubled, mixed or uneven, pixels that cannot
            be decoded, or too large for memory.
    """
    # pydicom warns about every tag that deviates from the standard, in any place that looks at it.
    with warnings.catch_warnings(action="ignore"):
        return _read_series(path, series)


def _read_series(path: Path, series: str | None) -> RawVolume:
    groups, broken = _groups(path)
    notes = [f"{broken} damaged DICOM files were left out."] if broken else []
    group = _chosen(path, groups, series, notes)
    if group.repeated:
        notes.append(f"{group.repeated} copies of the same image were left out.")
    name = f"Series {group.uid}"
    if group.kind != "image":
        raise MedVLPError(f"{name} is a {group.kind}, not an image.", "Give the series that shows the patient.")
    arranged = stack(group.frames, name)
    shape = spatial_shape(path, arranged.shape)
    problem = affine_problem(arranged.affine)
    if problem:
        raise bad_geometry(path, problem)
    check_memory(path, shape, _extra_bytes(shape, arranged.frames[0].index is not None))
    modality = group.modality if group.modality in MODALITIES else ""
    if not modality:
        notes.append(f"The DICOM modality is '{group.modality}'.")
    array = read_pixels(arranged, modality)
    files = tuple(dict.fromkeys(frame.file for frame in arranged.frames))
    return RawVolume(
        array,
        arranged.affine,
        "dicom",
        (*notes, *arranged.notes),
        integer=True,
        modality=modality,
        series_uid=group.uid,
        files=files,
    )


def _extra_bytes(shape: tuple[int, int, int], multiframe: bool) -> int:
    """A multi-frame file is held whole while its frames are decoded, 16 bits a voxel; otherwise some slices."""
    return 2 * shape[0] * shape[1] * shape[2] if multiframe else _SLICE_BYTES


def _groups(path: Path) -> tuple[list[Group], int]:
    if path.is_file() and path.name.upper() != "DICOMDIR":
        uid = _series_of(path)
        siblings = sorted(other for other in path.parent.iterdir() if other.is_file())
        groups, broken = scan(siblings)
        return [group for group in groups if group.uid == uid], broken
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise MedVLPError(f"{path} does not exist.", "Check the path.")
    files = list(files_below(folder))
    groups, broken = scan(files)
    if not groups:
        damaged = f" ({broken} damaged DICOM files)" if broken else ""
        others = [
            file.name for file in files if file.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"))
        ]
        hint = f"Give a file, for example {others[0]}." if others else "Choose the folder that holds the DICOM files."
        raise MedVLPError(f"{path} holds no DICOM images{damaged}.", hint)
    return groups, broken


def _series_of(path: Path) -> str:
    try:
        dataset = read_header(path)
    except Exception as error:
        raise truncated(path) from error
    if dataset is None:
        raise MedVLPError(f"{path} is not a DICOM file.", "Check that the file is complete and has the right ending.")
    return str(dataset.get("SeriesInstanceUID", "") or "unnamed")


def _series(group: Group) -> Series:
    problem, spacing = "", None
    if group.kind != "image":
        problem = group.kind
    elif all(frame.localiser for frame in group.frames):
        problem = "localiser"
    elif len(group.frames) < 2:
        problem = "single image"
    else:
        try:
            affine = stack(group.frames, "Series").affine
            i, j, k = np.linalg.norm(affine[:3, :3], axis=0)
            spacing = (float(i), float(j), float(k))
        except MedVLPError as error:
            problem = error.cause.removeprefix("Series ").rstrip(".")
    return Series(group.uid, group.description, group.modality, len(group.frames), spacing, group.number, problem)


def _chosen(path: Path, groups: Sequence[Group], wanted: str | None, notes: list[str]) -> Group:
    """The series asked for, or the only one that can be a volume."""
    if wanted is not None:
        return _matching(path, groups, wanted.strip())
    images = [group for group in groups if group.kind == "image"] or list(groups)
    if len(images) > 1:
        listed = [(group, _series(group)) for group in images]
        # A localiser or a single picture beside a volume is not a choice that anybody wants to be asked about.
        volumes = [group for group, info in listed if info.problem not in ("localiser", "single image")]
        if len(volumes) == 1:
            left = ", ".join(info.problem for group, info in listed if group is not volumes[0])
            notes.append(f"Other series were left out ({left}).")
        images = volumes or images
    if len(images) == 1:
        return images[0]
    raise MedVLPError(f"{path} holds {len(images)} series: {_listed(images)}.", _CHOOSE)


def _matching(path: Path, groups: Sequence[Group], wanted: str) -> Group:
    exact = [group for group in groups if wanted in (group.uid, group.number)]
    found = exact or [group for group in groups if wanted and group.uid.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise MedVLPError(f"'{wanted}' fits {len(found)} series: {_listed(found)}.", "Give a longer part of the UID.")
    raise MedVLPError(f"{path} has no series '{wanted}'; it holds {_listed(groups)}.", _CHOOSE)


def _listed(groups: Sequence[Group]) -> str:
    return "; ".join(str(_series(group)) for group in groups)

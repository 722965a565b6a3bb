"""NRRD and MetaImage through SimpleITK, from ITK's LPS to RAS."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.check import RawVolume, check_memory, damaged, spatial_shape, truncated
from vlp3d_core.volume.check_geometry import affine_problem, bad_geometry, spacing_problem

sitk.ProcessObject.SetGlobalWarningDisplay(False)

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MM_PER_UNIT = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre"), 1e-3),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre"), 1e-6),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre"), 1e3),
}
_NAMES = {"nrrd": "NRRD", "metaimage": "MetaImage"}
_COMPLEX = (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
_MODALITY = {"MET_MOD_CT": "CT", "MET_MOD_MR": "MR"}
_HEADER_BYTES = 1 << 16


def read_itk(path: Path, kind: str) -> RawVolume:
    """Read `.nrrd`, `.nhdr` (kind "nrrd") or `.mha`, `.mhd` (kind "metaimage").

    Direction, spacing and origin become an index → RAS matrix in mm; other units of length that the header declares
    are converted. Peak memory is the stored voxels and the float32 result.

    Raises:
        MedVLPError: not an image, damaged, not 3D, not scalar, without usable spacing, or too large for memory.
    """
    reader, meta, shape, affine, notes = _opened(path, kind)
    stored = sitk.GetPixelIDValueAsString(reader.GetPixelIDValue())  # "16-bit signed integer"
    check_memory(path, shape, math.prod(shape) * int(stored.split("-")[0]) // 8)
    try:
        with _quiet():
            image = reader.Execute()
    except RuntimeError as error:
        if path.suffix.lower() in (".mhd", ".nhdr"):
            raise damaged(path, _NAMES[kind], "the data file that it names is missing or too short") from error
        raise truncated(path) from error
    # ITK's buffer is (k, j, i) in C order, so its transpose is (i, j, k) with i fastest.
    with np.errstate(over="ignore"):
        array = sitk.GetArrayViewFromImage(image).reshape(shape[::-1]).astype(np.float32).T
    segments = any(key.startswith("Segment0") for key in meta)
    modality = _MODALITY.get(meta.get("Modality", ""), "")
    return RawVolume(array, affine, kind, tuple(notes), "integer" in stored, segments, modality)


def itk_grid(path: Path, kind: str) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and index → RAS matrix in mm, from the header alone; raises what `read_itk` raises for these."""
    _, _, shape, affine, _ = _opened(path, kind)
    return shape, affine


def _opened(
    path: Path, kind: str
) -> tuple[sitk.ImageFileReader, dict[str, str], tuple[int, int, int], NDArray[np.float64], list[str]]:
    """The reader before it reads voxels, the header's entries, shape, matrix and notes about it."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if kind == "nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    try:
        with _quiet():
            reader.ReadImageInformation()
            sizes = reader.GetSize()
            # Keys that are not UTF-8 cannot be asked for, and none that counts here has such a name.
            meta = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys() if key.isascii()}
    except (RuntimeError, UnicodeDecodeError) as error:
        raise damaged(path, _NAMES[kind], _reason(error)) from error
    if reader.GetPixelIDValue() in _COMPLEX or meta.get("NRRD_kinds[pixel]") == "complex":
        raise MedVLPError(f"{path} has complex voxels.", "Give a scalar image, for example the magnitude.")
    shape = spatial_shape(path, sizes, reader.GetNumberOfComponents())
    affine, notes = _affine(path, kind, reader, meta)
    problem = affine_problem(affine)
    if problem:
        raise bad_geometry(path, problem)
    return reader, meta, shape, affine, notes


def _affine(
    path: Path, kind: str, reader: sitk.ImageFileReader, meta: Mapping[str, str]
) -> tuple[NDArray[np.float64], list[str]]:
    n = reader.GetDimension()
    spacing = np.array(reader.GetSpacing())[:3]
    direction = np.array(reader.GetDirection()).reshape(n, n)[:3, :3]
    notes: list[str] = []
    world, axes = _units(path, kind, meta, notes)
    problem = spacing_problem(spacing * axes * world.max())
    if problem:
        raise bad_geometry(path, problem)
    affine = np.eye(4)
    affine[:3, :3] = world[:, None] * direction * spacing * axes
    affine[:3, 3] = world * np.array(reader.GetOrigin())[:3]
    if kind == "nrrd" and not meta.get("NRRD_space", "").startswith("left-posterior-superior"):
        notes.append(
            "The file does not say how the image lies in the patient: left and right, front and back may be exchanged."
        )
    return LPS_TO_RAS @ affine, notes


def _units(
    path: Path, kind: str, meta: Mapping[str, str], notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Millimetres per unit along the three world axes and along the three index axes."""
    world, axes = [""] * 3, [""] * 3
    if kind == "nrrd":
        # ITK drops "space units", so they are read from the text header.
        with path.open("rb") as stream:
            header = stream.read(_HEADER_BYTES).split(b"\n\n")[0].split(b"\r\n\r\n")[0]
        line = re.search(rb"^space units:(.*)$", header, re.MULTILINE)
        if line:
            named = re.findall(r'"([^"]*)"', line[1].decode("utf-8", "replace"))
            world = [*named, "", "", ""][:3]
        else:
            axes = [meta.get(f"NRRD_units[{axis}]", "") for axis in range(3)]
    else:
        world = [meta.get("ITK_VoxelUnits", "")] * 3
    return _scales(world, notes), _scales(axes, notes)


def _scales(names: list[str], notes: list[str]) -> NDArray[np.float64]:
    for name in names:
        if name.strip().lower() not in _MM_PER_UNIT and name.strip() not in ("", "?"):
            notes.append(f"The unit of length '{name.strip()}' is unknown; mm was assumed.")
            break
    return np.array([_MM_PER_UNIT.get(name.strip().lower(), 1.0) for name in names])


def _reason(error: Exception) -> str:
    """The last line of an ITK exception, which names the cause; the lines before it are positions in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^.*(ERROR|\[nrrd\] \w+):\s*", "", lines[-1]) if lines else "unknown reason"


@contextmanager
def _quiet() -> Iterator[None]:
    """Send the process's stderr to nowhere for a moment: MetaIO prints there whatever ITK is told."""
    try:
        saved = os.dup(2)
    except OSError:  # there is no stderr at all
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)

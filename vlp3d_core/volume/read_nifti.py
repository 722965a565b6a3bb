"""NIfTI and Analyze images, streamed straight into float32."""

from __future__ import annotations

import gzip
import logging
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from vlp3d_core.volume.check import RawVolume, check_memory, check_pixel_type, damaged, spatial_shape, truncated
from vlp3d_core.volume.check_geometry import affine_problem, bad_geometry

logging.getLogger("nibabel").setLevel(logging.CRITICAL)

_MM_PER_UNIT = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
_CHUNK_VOXELS = 1 << 20
_HEADER_ERRORS = (ImageFileError, HeaderDataError, WrapStructError, ValueError, KeyError, TypeError, OverflowError)
_STREAM_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def read_nifti(path: Path) -> RawVolume:
    """Read `.nii`, `.nii.gz` or `.hdr`/`.img`.

    The affine is the sform where it is coded, else the qform, else the header's voxel sizes with a note, in the
    header's unit converted to mm. Voxels are scaled by scl_slope and scl_inter. Peak memory is the float32 result
    plus one chunk, whatever the stored type.

    Raises:
        MedVLPError: not an image, damaged, not 3D, not scalar, or too large for memory.
    """
    image, shape = _opened(path)
    stored = image.header.get_data_dtype()
    check_pixel_type(path, stored)
    check_memory(path, shape, _CHUNK_VOXELS * stored.itemsize)
    affine, notes = _affine(path, image.header)
    return RawVolume(_voxels(path, image, shape), affine, "nifti", tuple(notes), integer=_integer(image))


def nifti_grid(path: Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and index → RAS matrix in mm, from the header alone; raises what `read_nifti` raises for these."""
    image, shape = _opened(path)
    return shape, _affine(path, image.header)[0]


def _opened(path: Path) -> tuple[Any, tuple[int, int, int]]:
    """The image, whose voxels are still on disk, and its shape."""
    _check_pair(path)
    try:
        image: Any = nib.load(path)
        image.header.get_data_dtype()
        sizes = tuple(int(n) for n in image.shape)
    except _STREAM_ERRORS as error:
        raise truncated(path) from error
    except _HEADER_ERRORS as error:
        raise damaged(path, "NIfTI", error) from error
    return image, spatial_shape(path, sizes)


def _check_pair(path: Path) -> None:
    """Raise MedVLPError when one file of a .hdr/.img pair is missing."""
    name = path.name
    for one, other in ((".hdr", ".img"), (".img", ".hdr")):
        start, ending, rest = name.lower().rpartition(one)
        if not ending or rest not in ("", ".gz"):
            continue
        stem = path.with_name(name[: len(start)] or name)
        if not any(Path(f"{stem}{case}{gz}").exists() for case in (other, other.upper()) for gz in ("", ".gz")):
            raise damaged(path, "NIfTI", f"its {other} file, which belongs to it, is missing")


def _integer(image: Any) -> bool:
    return image.dataobj.dtype.kind in "iub" and (image.dataobj.slope, image.dataobj.inter) == (1, 0)


def _affine(path: Path, header: Any) -> tuple[NDArray[np.float64], list[str]]:
    """The first coded transform that can be used, in mm, and what the user should know about it."""
    notes: list[str] = []
    # Row by row: a matrix product would make NaN of a damaged header's infinities.
    scale = np.array([[_mm_per_unit(header, notes)]] * 3 + [[1.0]])
    candidates = [(name, scale * np.asarray(matrix, dtype=np.float64)) for name, matrix in _coded(header)]
    if not candidates:
        notes.append(
            "The file does not say how the image lies in the patient: left and right, front and back may be exchanged."
        )
        candidates = [("voxel size", scale * header.get_base_affine())]
    for name, affine in candidates:
        if affine_problem(affine) is None:
            if name != candidates[0][0]:
                notes.append(f"The {candidates[0][0]} of the NIfTI header is unusable; the {name} was used.")
            return affine, notes
    raise bad_geometry(path, affine_problem(candidates[0][1]) or "")


def _coded(header: Any) -> list[tuple[str, NDArray[np.float64]]]:
    """The transforms that the header declares as valid, in the order of preference (nifti1.h)."""
    if "sform_code" not in header:
        return []
    found = []
    if int(header["sform_code"]) > 0:
        found.append(("sform", header.get_sform()))
    if int(header["qform_code"]) > 0:
        try:
            found.append(("qform", header.get_qform()))
        except (HeaderDataError, ValueError):
            # A quaternion that is not a rotation: reported as unusable when it would have been needed.
            found.append(("qform", np.full((4, 4), np.nan)))
    return found


def _mm_per_unit(header: Any, notes: list[str]) -> float:
    if "xyzt_units" not in header:
        return 1.0
    try:
        return _MM_PER_UNIT[header.get_xyzt_units()[0]]
    except KeyError:
        notes.append("The unit of length in the NIfTI header is invalid; mm was assumed.")
        return 1.0


def _voxels(path: Path, image: Any, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Stream the voxels into an array in the file's own order (i fastest)."""
    proxy = image.dataobj
    stored, slope, intercept = proxy.dtype, float(proxy.slope), float(proxy.inter)
    array = np.empty(shape, dtype=np.float32, order="F")
    flat = array.reshape(-1, order="F")
    try:
        with image.file_map["image"].get_prepare_fileobj("rb") as stream:
            stream.seek(proxy.offset)
            for start in range(0, flat.size, _CHUNK_VOXELS):
                part = flat[start : start + _CHUNK_VOXELS]
                data = stream.read(part.size * stored.itemsize)
                if len(data) < part.size * stored.itemsize:
                    raise EOFError
                # Values beyond float32 become infinite here and are mended with the other infinities.
                with np.errstate(over="ignore", invalid="ignore"):
                    part[:] = np.frombuffer(data, dtype=stored)
                    if (slope, intercept) != (1.0, 0.0):
                        part *= np.float32(slope)
                        part += np.float32(intercept)
    except _STREAM_ERRORS as error:
        raise truncated(path) from error
    except (OSError, ValueError, OverflowError) as error:
        raise damaged(path, "NIfTI", error) from error
    return array

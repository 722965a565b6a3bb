"""Reading an image file or a DICOM folder, whatever its format."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.check import RawVolume, check_contrast, mend_voxels
from vlp3d_core.volume.check_geometry import affine_problem, bad_geometry, shear_note
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.labelmap import check_not_labels
from vlp3d_core.volume.modality import guess_modality, parse_modality
from vlp3d_core.volume.volume import Source, Volume

_FORMATS = {
    "nifti": (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"),
    "nrrd": (".nrrd", ".nhdr"),
    "metaimage": (".mha", ".mhd"),
    "dicom": (".dcm", ".dicom", ".ima"),
}
_READABLE = "NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha, .mhd) or DICOM (a folder or one of its files)"


def read_volume(path: str | Path, modality: str | None = None, series: str | None = None) -> Volume:
    """Read a 3D image as float32 with its index → RAS matrix in mm.

    Reads NIfTI, NRRD, MetaImage, a DICOM folder or one file of a DICOM series. The array is (I, J, K) with i fastest in
    memory. NaN and infinities become the smallest finite value; mild shear (gantry tilt) is kept in the matrix. What
    the user should know is in `volume.source.notes`.

    Args:
        modality: "CT", "MR", "EM" or "PT"; wins over the file. Without it the file's tag counts, or a careful guess
            from the intensities ("" when unsure).
        series: for a DICOM folder of several series: SeriesInstanceUID, its unique beginning, or the series number.

    Raises:
        MedVLPError: the input is missing, damaged, not one scalar 3D image, constant, a label map, without usable
            geometry, or too large for memory.
        UsageError: `modality` is unknown, or `series` is given for a file that is not DICOM.
    """
    path = Path(path)
    wanted = parse_modality(modality) if modality else ""
    raw, notes = _checked(path, series)
    if raw.segmentation:
        raise MedVLPError(f"{path} is a segmentation, not an image.", "Give the image that it was drawn on.")
    check_contrast(path, raw.array)
    if raw.format != "dicom":
        notes += check_not_labels(path, raw.array, raw.integer)
    volume = _volume(path, raw, notes, wanted or raw.modality)
    if not volume.modality and raw.format != "dicom":
        volume = replace(volume, modality=guess_modality(volume.array, volume.spacing))
    return volume


def read_image(path: str | Path) -> Volume:
    """Read any scalar 3D grid, a label map or a constant one too: `read_volume` without judging the contents.

    Raises:
        MedVLPError: as `read_volume`, except for constant images and label maps.
    """
    raw, notes = _checked(Path(path), None)
    return _volume(Path(path), raw, notes, raw.modality)


def read_grid(path: str | Path) -> Grid:
    """Where the voxels of an image lie, from its header alone; DICOM, which spreads it over many files, is read whole.

    Raises:
        MedVLPError: as `read_volume`, as far as the header tells.
    """
    path = Path(path)
    kind = _format(path)
    try:
        if kind == "nifti":
            from vlp3d_core.volume.read_nifti import nifti_grid

            shape, affine = nifti_grid(path)
        elif kind == "dicom":
            raw, _ = _checked(path, None)
            i, j, k = raw.array.shape
            shape, affine = (i, j, k), raw.affine
        else:
            from vlp3d_core.volume.read_itk import itk_grid

            shape, affine = itk_grid(path, kind)
    except OSError as error:
        raise _unopenable(path, error) from error
    problem = affine_problem(affine)
    if problem:
        raise bad_geometry(path, problem)
    return Grid(shape, affine)


def _volume(path: Path, raw: RawVolume, notes: list[str], modality: str) -> Volume:
    source = Source(path, raw.format, raw.series_uid, raw.files, tuple(notes))
    return Volume(raw.array, raw.affine, modality, source)


def _checked(path: Path, series: str | None) -> tuple[RawVolume, list[str]]:
    """Read a file of any format; sound geometry and finite voxels, with the notes about both."""
    kind = _format(path)
    if series is not None and kind != "dicom":
        raise UsageError(f"{path} is not DICOM and has no series.", "Leave the series away.")
    try:
        raw = _read(path, kind, series)
    except MemoryError as error:
        raise MedVLPError(f"{path} does not fit into memory.", "Crop it or down-sample it.") from error
    except OSError as error:
        raise _unopenable(path, error) from error
    problem = affine_problem(raw.affine)
    if problem:
        raise bad_geometry(path, problem)
    shear = shear_note(raw.affine)
    return raw, [*raw.notes, *([shear] if shear else []), *mend_voxels(path, raw.array)]


def _read(path: Path, kind: str, series: str | None) -> RawVolume:
    # Imported here so that reading one format does not pay for the libraries of the others.
    if kind == "nifti":
        from vlp3d_core.volume.read_nifti import read_nifti

        return read_nifti(path)
    if kind == "dicom":
        from vlp3d_core.volume.dicom import read_dicom

        return read_dicom(path, series)
    from vlp3d_core.volume.read_itk import read_itk

    return read_itk(path, kind)


def _format(path: Path) -> str:
    """The format by the path's ending, or by the first bytes where the ending says nothing."""
    try:
        is_folder, size = path.is_dir(), path.stat().st_size
        if is_folder:
            return "dicom"
        if size == 0:
            raise MedVLPError(f"{path} is empty.", "Copy or download the file again.")
        with path.open("rb") as stream:
            head = stream.read(352)
    except (OSError, ValueError) as error:
        raise _unopenable(path, error) from error
    name = path.name.lower()
    for kind, endings in _FORMATS.items():
        if name.endswith(endings):
            return kind
    sniffed = _sniff(head)
    if sniffed is None:
        raise MedVLPError(f"{path} is not a 3D image in a known format.", f"Give {_READABLE}.")
    return sniffed


def _unopenable(path: Path, error: Exception) -> MedVLPError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENOTDIR) or isinstance(error, ValueError):
        return MedVLPError(f"{path} does not exist.", "Check the path.")
    if number == errno.ENAMETOOLONG:
        return MedVLPError(f"The path {str(path)[:80]}… is too long for this system.", "Use a shorter path.")
    return MedVLPError(f"{path} cannot be opened: {getattr(error, 'strerror', error)}.", "Check its permissions.")


def _sniff(head: bytes) -> str | None:
    if head[128:132] == b"DICM" or head[:4] in (b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x08\x00\x00\x00"):
        return "dicom"
    if head[:4] == b"NRRD":
        return "nrrd"
    if head[:10] == b"ObjectType" or head[:5] == b"NDims":
        return "metaimage"
    if head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2"):
        return "nifti"
    return None

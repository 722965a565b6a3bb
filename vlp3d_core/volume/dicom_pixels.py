"""From DICOM's stored values to real values, slice by slice."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.check import truncated
from vlp3d_core.volume.dicom_geometry import Stack
from vlp3d_core.volume.dicom_scan import Frame

CT_PADDING_HU = -1024.0
_PIXEL_TAGS = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation",
)  # fmt: skip


def read_pixels(stack: Stack, modality: str) -> NDArray[np.float32]:
    """Real values (HU for CT), float32 (I, J, K) with i fastest; one slice at a time beyond that.

    Rescale slope and intercept count per slice. MONOCHROME1 is inverted. Padding becomes −1024 in CT and the smallest
    value of the rest elsewhere.

    Raises:
        MedVLPError: a file is truncated, or compressed in a way that no installed decoder knows.
    """
    array = np.empty(stack.shape, dtype=np.float32, order="F")
    padding = CT_PADDING_HU if modality == "CT" else np.nan
    dataset, opened = Dataset(), None
    for k, frame in enumerate(stack.frames):
        if frame.file != opened:
            dataset, opened = _open(frame.file), frame.file
        stored = _stored(dataset, frame)
        if stored.shape != (stack.shape[1], stack.shape[0]):
            raise truncated(frame.file)
        padded = _padded(dataset, stored)
        if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
            stored = _inverted(dataset, stored)
        part = array[:, :, k]
        np.multiply(stored.T, np.float32(frame.slope), out=part, casting="unsafe")
        part += np.float32(frame.intercept)
        if padded is not None:
            part[padded.T] = padding
    if np.isnan(padding):
        _fill_nan(array)
    return array


def _open(path: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(path, force=True)
    except Exception as error:
        raise truncated(path) from error
    if "TransferSyntaxUID" not in dataset.file_meta:  # a file without preamble; pydicom found out how it is coded
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _stored(dataset: Dataset, frame: Frame) -> NDArray[Any]:
    """Stored values, shape (rows, columns)."""
    try:
        # pydicom first; GDCM, which SimpleITK brings along, for what pydicom has no decoder for.
        try:
            return np.asarray(pixel_array(dataset, index=frame.index or 0, raw=True))
        except (RuntimeError, NotImplementedError):
            if not dataset.file_meta.TransferSyntaxUID.is_compressed:
                raise
            return _decoded_by_gdcm(dataset, frame.index or 0)
    except MedVLPError:
        raise
    except Exception as error:
        raise truncated(frame.file) from error


def _decoded_by_gdcm(dataset: Dataset, index: int) -> NDArray[Any]:
    """Decode one frame, wrapped as a plain picture so that no other tag changes its values."""
    import SimpleITK as sitk

    syntax = dataset.file_meta.TransferSyntaxUID
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    picture = Dataset()
    for tag in _PIXEL_TAGS:
        setattr(picture, tag, dataset[tag].value)
    picture.PhotometricInterpretation = "MONOCHROME2"
    picture.SOPClassUID = SecondaryCaptureImageStorage
    picture.SOPInstanceUID = generate_uid()
    picture.PixelData = encapsulate([get_frame(dataset.PixelData, index, number_of_frames=frames)])
    picture["PixelData"].VR = "OB"
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = syntax
    picture.file_meta.MediaStorageSOPClassUID = picture.SOPClassUID
    picture.file_meta.MediaStorageSOPInstanceUID = picture.SOPInstanceUID
    with tempfile.TemporaryDirectory(prefix="vlp3d-") as folder:
        path = Path(folder, "frame.dcm")
        picture.save_as(path, enforce_file_format=True)
        try:
            image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
        except RuntimeError as error:
            raise MedVLPError(
                f"The DICOM images are compressed as {syntax.name}, which cannot be decoded here.",
                "Export them uncompressed, or convert them with `gdcmconv --raw`.",
            ) from error
    return np.squeeze(sitk.GetArrayFromImage(image))


def _padded(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the scanner wrote padding instead of a measurement (PS3.3 C.7.5.1.1.2)."""
    low = dataset.get("PixelPaddingValue")
    if low is None:
        return None
    high = dataset.get("PixelPaddingRangeLimit")
    ends = sorted(_as_stored(dataset, end) for end in (low, low if high is None else high))
    return np.asarray((stored >= ends[0]) & (stored <= ends[1]))


def _as_stored(dataset: Dataset, value: Any) -> int:
    """A pixel value from a tag whose signedness some writers confuse."""
    number, bits = int(value), int(dataset.BitsAllocated)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        return number - (1 << bits) if number >= 1 << (bits - 1) else number
    return number + (1 << bits) if number < 0 else number


def _inverted(dataset: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """MONOCHROME1 shows its smallest value white; mirrored within the stored bits, large means bright."""
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        return -1 - stored.astype(np.int32)
    return (1 << int(dataset.BitsStored)) - 1 - stored.astype(np.int64)


def _fill_nan(array: NDArray[np.float32]) -> None:
    lows = [float(np.nanmin(array[:, :, k])) for k in range(array.shape[2]) if not np.all(np.isnan(array[:, :, k]))]
    for k in range(array.shape[2]):
        part = array[:, :, k]
        part[np.isnan(part)] = min(lows, default=0.0)

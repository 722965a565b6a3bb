"""Small scans for the reader's tests: a noisy body as an array, and DICOM series made of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

Series = Callable[..., list[Path]]
Save = Callable[..., Path]
RAS = np.diag([-1.0, -1.0, 1.0])


def _save(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64] | None = None) -> Path:
    """Write an image (I, J, K) with an index → RAS matrix of perpendicular axes."""
    affine = np.eye(4) if affine is None else affine
    if path.name.endswith((".nii", ".nii.gz", ".img")):
        image = nib.Nifti1Pair(array, affine) if path.suffix == ".img" else nib.Nifti1Image(array, affine)
        nib.save(image, path)
        return path
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    out = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    out.SetSpacing(spacing.tolist())
    out.SetDirection((RAS @ affine[:3, :3] / spacing).ravel().tolist())
    out.SetOrigin((RAS @ affine[:3, 3]).tolist())
    sitk.WriteImage(out, str(path))
    return path


@pytest.fixture(scope="session")
def save() -> Save:
    """A function that writes an array with its index → RAS matrix in the format of the path's ending."""
    return _save


@pytest.fixture(scope="session")
def body() -> NDArray[np.int16]:
    """HU of a noisy ellipsoid of soft tissue in air, shape (14, 12, 10)."""
    rng = np.random.default_rng(0)
    array = np.full((14, 12, 10), -1000, dtype=np.int16)
    centre = np.array(array.shape).reshape(3, 1, 1, 1) / 2
    inside = (((np.indices(array.shape) - centre) / (0.45 * 2 * centre)) ** 2).sum(axis=0) < 1
    array[inside] = rng.integers(-60, 120, int(inside.sum()))
    return array


@pytest.fixture
def write_series(tmp_path: Path, body: NDArray[np.int16]) -> Series:
    """A function that writes a CT series, one file a slice, and returns the files in the order of the slices."""

    def write(
        name: str = "series",
        *,
        array: NDArray[Any] = body,
        spacing: tuple[float, float, float] = (0.8, 0.7, 2.5),
        origin: tuple[float, float, float] = (-20.0, 30.0, -100.0),
        orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
        step: tuple[float, float, float] | None = None,
        edit: Callable[[Dataset, int], None] | None = None,
        uid: str | None = None,
        preamble: bool = True,
    ) -> list[Path]:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        uid = uid or generate_uid()
        normal = np.cross(orientation[:3], orientation[3:])
        step_lps = np.array(step) if step else normal * spacing[2]
        files = []
        for k in range(array.shape[2]):
            dataset = ct_slice(array[:, :, k], spacing)
            dataset.SeriesInstanceUID = uid
            dataset.ImageOrientationPatient = list(orientation)
            dataset.ImagePositionPatient = [round(float(x), 6) for x in np.array(origin) + k * step_lps]
            if edit:
                edit(dataset, k)
            # Names run against the positions: nobody may sort by them.
            files.append(folder / f"{array.shape[2] - k:03d}.dcm")
            if preamble:
                dataset.save_as(files[-1], enforce_file_format=True)
            else:
                del dataset.file_meta
                dataset.save_as(files[-1], implicit_vr=True, little_endian=True)
        return files

    return write


def ct_slice(pixels: NDArray[Any], spacing: tuple[float, float, float]) -> Dataset:
    """One CT image of HU, (columns, rows), stored as unsigned 16 bit with intercept −1024."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.Modality = "CT"
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "Thorax"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PixelSpacing = [spacing[1], spacing[0]]
    dataset.Columns, dataset.Rows = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope = 1
    dataset.RescaleIntercept = -1024
    dataset.PixelData = (pixels.T.astype(np.int32) + 1024).astype("<u2").tobytes()
    return dataset


@pytest.fixture
def write_enhanced(tmp_path: Path, body: NDArray[np.int16]) -> Callable[..., Path]:
    """A function that writes the body as one enhanced multi-frame CT object, frames in reverse order."""

    def write(name: str = "enhanced.dcm", edit: Callable[[Dataset], None] | None = None) -> Path:
        spacing = (0.8, 0.7, 2.5)
        dataset = ct_slice(body[:, :, 0], spacing)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
        dataset.SeriesInstanceUID = generate_uid()
        for name_ in ("PixelSpacing", "RescaleSlope", "RescaleIntercept"):
            delattr(dataset, name_)
        shared = Dataset()
        shared.PixelMeasuresSequence = Sequence([_of(PixelSpacing=[spacing[1], spacing[0]])])
        shared.PlaneOrientationSequence = Sequence([_of(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
        shared.PixelValueTransformationSequence = Sequence([_of(RescaleSlope=1, RescaleIntercept=-1024)])
        order = range(body.shape[2] - 1, -1, -1)
        frames = []
        for k in order:
            place = _of(ImagePositionPatient=[-20, 30, -100 + k * spacing[2]])
            frames.append(_of(PlanePositionSequence=Sequence([place])))
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
        dataset.NumberOfFrames = len(frames)
        stored = np.stack([body[:, :, k].T for k in order]).astype(np.int32) + 1024
        dataset.PixelData = stored.astype("<u2").tobytes()
        if edit:
            edit(dataset)
        path = tmp_path / "enhanced" / name
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def _of(**tags: Any) -> Dataset:
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture
def change() -> Callable[..., None]:
    """A function that rewrites tags of a DICOM file; None deletes one."""

    def rewrite(path: Path, **tags: Any) -> None:
        dataset = pydicom.dcmread(path)
        for name, value in tags.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)
        dataset.save_as(path)

    return rewrite

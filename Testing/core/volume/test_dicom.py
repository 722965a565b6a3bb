"""DICOM folders: order, geometry, values, compression and the choice of a series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    MediaStorageDirectoryStorage,
    RLELossless,
    SegmentationStorage,
    generate_uid,
)

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.dicom import list_series
from vlp3d_core.volume.read import read_volume

Series = Callable[..., list[Path]]
TILTED = (0.936, 0.352, 0.0, -0.176, 0.468, 0.866)


def unit(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """The nearest exact orientation."""
    row = np.array(orientation[:3]) / np.linalg.norm(orientation[:3])
    column = np.array(orientation[3:]) - row * (row @ np.array(orientation[3:]))
    return (*row, *(column / np.linalg.norm(column)))


def refused(path: Path, *words: str, **kwargs: Any) -> MedVLPError:
    with pytest.raises(MedVLPError) as caught:
        read_volume(path, **kwargs)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_slices_are_sorted_by_position_not_by_name(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series()
    volume = read_volume(files[0].parent)
    np.testing.assert_array_equal(volume.array, body)
    assert volume.array.dtype == np.float32
    expected = [[-0.8, 0, 0, 20], [0, -0.7, 0, -30], [0, 0, 2.5, -100], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-9)
    assert volume.source.files == tuple(files)
    assert volume.modality == "CT"
    assert volume.source.format == "dicom"
    assert volume.source.series_uid
    assert volume.source.notes == ()


def test_an_oblique_series_lies_where_itk_sees_it(write_series: Series) -> None:
    files = write_series(orientation=unit(TILTED))
    volume = read_volume(files[0].parent)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(files[0].parent)))
    image = reader.Execute()
    for index in ((0, 0, 0), (13, 2, 5), (4, 11, 9)):
        x, y, z = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.affine @ (*index, 1))[:3], (-x, -y, z), atol=1e-3)
        assert image[index] == volume.array[index]


def test_a_folder_with_subfolders_and_foreign_files(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series("disk/IMAGES/S1")
    disk = files[0].parents[2]
    (disk / "README.TXT").write_text("viewer")
    (disk / "empty.dcm").touch()
    files[0].rename(files[0].with_name("IM0001"))
    files[1].rename(disk / "IMAGES" / "elsewhere.bin")
    assert read_volume(disk).shape == body.shape


def test_one_file_stands_for_its_series(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series()
    write_series(spacing=(0.8, 0.7, 5.0))[0].rename(files[0].parent / "other.dcm")
    write_series()
    assert read_volume(files[4]).shape == body.shape


def test_files_without_preamble(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series(preamble=False)
    np.testing.assert_array_equal(read_volume(files[0].parent).array, body)


def test_slope_and_intercept_count_per_slice(write_series: Series, body: NDArray[np.int16]) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.Modality, dataset.RescaleSlope, dataset.RescaleIntercept = "PT", 0.5 * (k + 1), k

    volume = read_volume(write_series(edit=edit)[0].parent)
    k = np.arange(body.shape[2])
    np.testing.assert_allclose(volume.array, (body + 1024.0) * 0.5 * (k + 1) + k)
    assert volume.modality == "PT"


def test_padding_becomes_air_in_ct(write_series: Series, body: NDArray[np.int16]) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        pixels = (body[:, :, k].T - 24).astype("<i2")
        pixels[0, :] = -2000
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 24
        dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)  # the wrong sign, as some scanners write it
        dataset.PixelData = pixels.tobytes()

    volume = read_volume(write_series(edit=edit)[0].parent)
    assert (volume.array[:, 0] == -1024).all()
    np.testing.assert_array_equal(volume.array[:, 1:], body[:, 1:])


def test_padding_becomes_the_minimum_in_mr(write_series: Series, body: NDArray[np.int16]) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.Modality, dataset.RescaleIntercept = "MR", 0
        dataset.PixelPaddingValue, dataset.PixelPaddingRangeLimit = 0, 24

    volume = read_volume(write_series(edit=edit)[0].parent)
    assert volume.array.min() == body[body > -1000].min() + 1024
    assert volume.modality == "MR"


def test_monochrome1_is_inverted(write_series: Series, body: NDArray[np.int16]) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.PhotometricInterpretation, dataset.BitsStored, dataset.HighBit = "MONOCHROME1", 12, 11
        dataset.PixelData = (4095 - (body[:, :, k].T.astype(np.int32) + 1024)).astype("<u2").tobytes()

    np.testing.assert_array_equal(read_volume(write_series(edit=edit)[0].parent).array, body)


@pytest.mark.parametrize(("compressor", "syntax"), [("JPEG2000", JPEG2000Lossless), ("JPEG", JPEGLosslessSV1)])
def test_compressed_slices(
    write_series: Series, body: NDArray[np.int16], tmp_path: Path, compressor: str, syntax: str
) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "one.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        writer.Execute(sitk.GetImageFromArray((body[:, :, k].T.astype(np.int32) + 1024).astype(np.uint16)[None]))
        packed = pydicom.dcmread(tmp_path / "one.dcm")
        assert packed.file_meta.TransferSyntaxUID == syntax
        dataset.PixelData = packed.PixelData
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax

    files = write_series(edit=edit)
    (tmp_path / "one.dcm").unlink()
    np.testing.assert_array_equal(read_volume(files[0].parent).array, body)


def test_run_length_compression(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series(edit=lambda dataset, k: dataset.compress(RLELossless, generate_instance_uid=False))
    np.testing.assert_array_equal(read_volume(files[0].parent).array, body)


def test_an_enhanced_object(write_enhanced: Callable[..., Path], body: NDArray[np.int16]) -> None:
    path = write_enhanced()
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, body)
    np.testing.assert_allclose(volume.affine[:3, 3], (20, -30, -100))
    np.testing.assert_allclose(volume.spacing, (0.8, 0.7, 2.5))
    assert volume.source.files == (path,)


def test_a_compressed_enhanced_object(write_enhanced: Callable[..., Path], body: NDArray[np.int16]) -> None:
    path = write_enhanced(edit=lambda dataset: dataset.compress(RLELossless, generate_instance_uid=False))
    np.testing.assert_array_equal(read_volume(path).array, body)


def test_several_series_are_listed(write_series: Series, body: NDArray[np.int16]) -> None:
    first = write_series("both/a", uid="1.2.3.1")
    write_series("both/b", uid="1.2.3.2", edit=lambda d, k: setattr(d, "SeriesNumber", 7), array=body[:, :, :4])
    folder = first[0].parents[1]
    refused(folder, "2 series", "1.2.3.1 ('Thorax', CT, 10 slices)", "1.2.3.2", "--series UID")
    assert read_volume(folder, series="1.2.3.1").shape == body.shape
    assert read_volume(folder, series="7").shape == (14, 12, 4)
    refused(folder, "fits 2 series", series="1.2.3")
    refused(folder, "no series '9'", "1.2.3.2", series="9")
    listed = list_series(folder)
    assert [(s.uid, s.number, s.slices, s.modality, s.description) for s in listed] == [
        ("1.2.3.1", "3", 10, "CT", "Thorax"),
        ("1.2.3.2", "7", 4, "CT", "Thorax"),
    ]
    assert listed[0].spacing == pytest.approx((0.8, 0.7, 2.5))


def test_localisers_and_objects_that_are_not_images(write_series: Series, body: NDArray[np.int16]) -> None:
    def scout(dataset: Dataset, k: int) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def seg(dataset: Dataset, k: int) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
        dataset.Modality = "SEG"

    def report(dataset: Dataset, k: int) -> None:
        dataset.Modality = "SR"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
        for name in ("Rows", "Columns", "PixelData"):
            delattr(dataset, name)

    folder = write_series("all/ct", uid="1.1")[0].parents[1]
    write_series("all/scout", uid="1.2", array=body[:, :, :2], edit=scout)
    write_series("all/single", uid="1.3", array=body[:, :, :1])
    write_series("all/seg", uid="1.4", edit=seg)
    write_series("all/sr", uid="1.5", array=body[:, :, :1], edit=report)
    volume = read_volume(folder)
    assert volume.source.series_uid == "1.1"
    assert "localiser" in volume.source.notes[0]
    problems = {series.uid: series.problem for series in list_series(folder)}
    assert problems == {
        "1.1": "", "1.2": "localiser", "1.3": "single image", "1.4": "segmentation", "1.5": "SR without pixels",
    }  # fmt: skip
    refused(folder, "segmentation", series="1.4")
    refused(folder / "sr", "SR without pixels")
    refused(folder / "single", "2D image")


def test_a_directory_file_stands_for_its_folder(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series("disk/IMAGES")
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    directory.FileSetID = "DISK"
    path = files[0].parents[1] / "DICOMDIR"
    directory.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read_volume(path).array, body)
    assert [series.slices for series in list_series(path.parent)] == [10]


def test_an_unknown_modality_is_told(write_series: Series) -> None:
    folder = write_series(edit=lambda d, k: setattr(d, "Modality", "US"))[0].parent
    volume = read_volume(folder)
    assert volume.modality == ""
    assert "'US'" in volume.source.notes[0]
    assert read_volume(folder, modality="CT").modality == "CT"


def test_real_series(shared_data: Path) -> None:
    volume = read_volume(shared_data / "dicom" / "CRLM-CT-1004")
    assert volume.shape == (512, 512, 41)
    np.testing.assert_allclose(volume.affine[:3, 3], (198.199997, 204.0, -375.0))
    np.testing.assert_allclose(volume.spacing, (0.796875, 0.796875, 5.0))
    assert volume.modality == "CT"
    assert volume.array.min() == -1024
    refused(shared_data / "dicom", "2 series", "CT CH/AB/PEL")
    assert read_volume(shared_data / "dicom" / "dcmqi").shape == (512, 512, 3)
    refused(shared_data / "dicom" / "dcmqi" / "liver.dcm", "segmentation")

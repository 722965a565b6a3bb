"""Every way in which a DICOM series can be broken: refused with a sentence and a remedy, or read with a note."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
)

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.dicom import list_series
from vlp3d_core.volume.read import read_volume

Series = Callable[..., list[Path]]


def refused(path: Path, *words: str, **kwargs: Any) -> MedVLPError:
    with pytest.raises(MedVLPError) as caught:
        read_volume(path, **kwargs)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_a_codec_that_nobody_has(write_series: Series) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.PixelData = encapsulate([b"\0" * 64])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = MPEG2MPML

    refused(write_series(edit=edit)[0].parent, "compressed as MPEG2", "gdcmconv")


def test_a_scout_inside_the_series_is_left_out(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series(uid="1.1")

    def scout(dataset: Dataset, k: int) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series("series/scout", uid="1.1", array=body[:, :, :1], orientation=(0, 1, 0, 0, 0, -1), edit=scout)
    volume = read_volume(files[0].parent)
    assert volume.shape == body.shape
    assert volume.source.notes == ("1 localiser images were left out.",)


def test_mixed_orientations_and_sizes(write_series: Series, body: NDArray[np.int16]) -> None:
    folder = write_series(uid="1.1")[0].parent
    write_series("series/more", uid="1.1", array=body[:, :, :3], orientation=(0, 1, 0, 0, 0, -1))
    refused(folder, "mixes", "10 of 14 x 12 axial", "3 of 14 x 12 sagittal")
    shutil.rmtree(folder / "more")
    write_series("series/more", uid="1.1", array=body[:9, :, :1])
    refused(folder, "mixes", "9 x 12")


def test_missing_slices_are_named(write_series: Series) -> None:
    files = write_series()
    files[4].unlink()
    files[5].unlink()
    refused(files[0].parent, "lacks 2 slices", "after 007.dcm", "7.5 mm", "2.5 mm apart")


def test_doubled_positions(write_series: Series, change: Callable[..., None]) -> None:
    files = write_series(uid="1.1")
    change(files[3], ImagePositionPatient=pydicom.dcmread(files[2]).ImagePositionPatient)
    files[9].unlink()
    refused(files[0].parent, "several images at the same place", "008.dcm")
    write_series("phases/1", uid="1.1")
    second = write_series("phases/2", uid="1.1")
    refused(second[0].parents[1], "up to 2 each", "phase")


def test_the_same_image_twice_counts_once(write_series: Series, body: NDArray[np.int16]) -> None:
    files = write_series()
    shutil.copytree(files[0].parent, files[0].parent / "backup")
    volume = read_volume(files[0].parent)
    assert volume.shape == body.shape
    assert volume.source.notes == ("10 copies of the same image were left out.",)


def test_uneven_spacing(write_series: Series, change: Callable[..., None]) -> None:
    files = write_series()
    change(files[4], ImagePositionPatient=[-20, 30, -100 + 4 * 2.5 + 0.2])
    volume = read_volume(files[0].parent)
    assert "2.3 to 2.7 mm" in volume.source.notes[0]
    np.testing.assert_allclose(volume.spacing[2], 2.5)
    change(files[4], ImagePositionPatient=[-20, 30, -100 + 4 * 2.5 + 1.0])
    refused(files[0].parent, "uneven distances", "1.5 to 3.5 mm")


def test_creeping_spacing_is_refused(
    write_series: Series, change: Callable[..., None], body: NDArray[np.int16]
) -> None:
    files = write_series(array=np.tile(body, (1, 1, 3)))
    z = np.cumsum([0] + [2.4] * 15 + [2.6] * 14)
    for file, position in zip(files, z, strict=True):
        change(file, ImagePositionPatient=[0, 0, float(position)])
    refused(files[0].parent, "uneven distances")


def test_a_tilted_gantry_keeps_its_sheared_matrix(write_series: Series, body: NDArray[np.int16]) -> None:
    step = (0.0, 2.5 * np.tan(np.radians(12)), 2.5)
    volume = read_volume(write_series(step=step)[0].parent)
    np.testing.assert_array_equal(volume.array, body)
    np.testing.assert_allclose(volume.affine[:3, 2], (0, -step[1], 2.5), atol=1e-5)
    assert "12.0 degrees" in volume.source.notes[0]
    refused(write_series("steep", step=(0.0, 2.5, 2.5))[0].parent, "45 degrees")


def test_pixels_that_are_missing_or_cut(write_series: Series) -> None:
    files = write_series()
    files[3].write_bytes(files[3].read_bytes()[:-100])
    refused(files[0].parent, "007.dcm", "truncated")
    files = write_series("headers")
    files[3].write_bytes(files[3].read_bytes()[:200])
    refused(files[0].parent, "lacks 1 slice")
    files = write_series("last")
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[9].write_bytes(files[9].read_bytes()[:500])
    volume = read_volume(files[1].parent)
    assert volume.shape[2] == 8
    assert volume.source.notes == ("2 damaged DICOM files were left out.",)
    refused(files[0], "truncated")


def test_series_without_usable_geometry(write_series: Series) -> None:
    def drop(*names: str) -> Callable[[Dataset, int], None]:
        return lambda dataset, k: [delattr(dataset, name) for name in names] and None

    refused(write_series("a", edit=drop("ImagePositionPatient"))[0].parent, "does not say where")
    refused(write_series("b", edit=drop("PixelSpacing"))[0].parent, "does not say where")
    refused(write_series("c", edit=lambda d, k: setattr(d, "PixelSpacing", [0, 0]))[0].parent, "spacing is 0 x 0")
    refused(write_series("d", orientation=(1, 0, 0, 1, 0, 0), step=(0, 0, 1))[0].parent, "invalid orientation")


def test_color_pictures_are_refused(write_series: Series) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = b"\0" * (3 * dataset.Rows * dataset.Columns)

    refused(write_series(edit=edit)[0].parent, "color picture")


def test_folders_without_dicom(tmp_path: Path) -> None:
    refused(tmp_path, "no DICOM images")
    (tmp_path / "scan.nii.gz").write_bytes(b"x")
    refused(tmp_path, "no DICOM images", "scan.nii.gz")
    (tmp_path / "fake.dcm").write_bytes(b"not at all" * 50)
    refused(tmp_path / "fake.dcm", "not a DICOM file")
    with pytest.raises(MedVLPError, match="does not exist"):
        list_series(tmp_path / "nowhere")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(132, 1100), st.integers(0, 255)), min_size=1, max_size=6),
    k=st.integers(0, 2),
)
def test_damaged_bytes_never_escape(
    write_series: Series, body: NDArray[np.int16], changes: list[tuple[int, int]], k: int
) -> None:
    files = write_series("fuzz", array=body[:, :, :3])
    data = bytearray(files[k].read_bytes())
    for where, value in changes:
        data[where] = value
    files[k].write_bytes(bytes(data))
    try:
        volume = read_volume(files[0].parent)
    except MedVLPError:
        return
    assert np.isfinite(volume.array).all() and np.isfinite(volume.affine).all()

"""DICOM SEG: written over a real series, read back with highdicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.segmentation import Segment, Segmentation
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write import check_writable, write_segmentation

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")
pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

ANATOMY = ("SCT", "123037004", "Anatomical Structure")
LIVER = Segment(7, "liver", "Liver", (221, 130, 101), ANATOMY, ("SCT", "10200004", "Liver"), None, 0.93, 1.5, True)
LEFT = ("SCT", "7771000", "Left")
KIDNEY = Segment(
    3, "kidney_left", "Linke Niere ü", (185, 102, 83), ANATOMY, ("SCT", "64033007", "Kidney"), LEFT, 0.5, 0.2, True
)
SPLEEN = Segment(2, "spleen", "Spleen", (157, 108, 162), ANATOMY, ("SCT", "78961009", "Spleen"), None, 0.1)


@pytest.fixture(scope="module")
def series(shared_data: Path) -> Volume:
    """A real CT series."""
    return read_volume(shared_data / "dicom" / "CRLM-CT-1004")


@pytest.fixture
def segmentation(series: Volume) -> Segmentation:
    labels = np.zeros(series.shape, np.uint8)
    labels[100:200, 50:90, 3:8] = 7
    labels[300:310, 400:480, 6:10] = 3
    return Segmentation(labels, series.affine, (SPLEEN, LIVER, KIDNEY), "demo", series.source)


def ras_of(seg: object, number: int) -> NDArray[np.float64]:
    """RAS positions of one segment's voxels, from each frame's own place in the file."""
    places = []
    orientation = np.asarray(
        seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient, float
    )
    spacing = np.asarray(seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing, float)
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            rows, columns = np.nonzero(frame)
            start = np.asarray(group.PlanePositionSequence[0].ImagePositionPatient, float)
            places.append(
                start + np.outer(columns * spacing[1], orientation[:3]) + np.outer(rows * spacing[0], orientation[3:])
            )
    return np.concatenate(places) * [-1, -1, 1]


def test_round_trip(segmentation: Segmentation, tmp_path: Path) -> None:
    path = tmp_path / "Ergebnis ü.dcm"
    write_segmentation(segmentation, path)
    seg = hd.seg.segread(path)
    source = pydicom.dcmread(segmentation.source.files[0], stop_before_pixels=True)
    assert seg.StudyInstanceUID == source.StudyInstanceUID and seg.PatientID == source.PatientID
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert seg.number_of_segments == 2
    for number, expected in ((1, LIVER), (2, KIDNEY)):
        index = np.argwhere(segmentation.labels == expected.value)
        wanted = index @ segmentation.affine[:3, :3].T + segmentation.affine[:3, 3]
        found = ras_of(seg, number)
        assert found.shape == wanted.shape
        order = [np.lexsort(np.round(p, 2).T) for p in (found, wanted)]
        assert np.allclose(found[order[0]], wanted[order[1]], atol=0.01)


def test_segments_are_described(segmentation: Segmentation, tmp_path: Path) -> None:
    write_segmentation(segmentation, tmp_path / "a.dcm")
    liver, kidney = hd.seg.segread(tmp_path / "a.dcm").SegmentSequence
    assert (liver.SegmentLabel, kidney.SegmentLabel) == ("Liver", "Linke Niere ü")
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    modifier = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert (modifier.CodeValue, modifier.CodeMeaning) == ("7771000", "Left")
    assert "SegmentedPropertyTypeModifierCodeSequence" not in liver.SegmentedPropertyTypeCodeSequence[0]
    assert liver.SegmentAlgorithmType == "AUTOMATIC" and liver.SegmentAlgorithmName == "MedVLP demo"
    assert kidney.TrackingID == "kidney_left" and kidney.TrackingUID != liver.TrackingUID
    assert "0.930" in liver.SegmentDescription
    assert np.allclose(hd.color.CIELabColor(*_lab(liver)).to_rgb(), LIVER.color, atol=2)


def _lab(segment: object) -> tuple[float, float, float]:
    light, a, b = segment.RecommendedDisplayCIELabValue
    return light * 100 / 65535, a * 255 / 65535 - 128, b * 255 / 65535 - 128


def test_cropped_labels_are_refused(segmentation: Segmentation, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="size"):
        write_segmentation(replace(segmentation, labels=segmentation.labels[1:]), tmp_path / "a.dcm")


def test_the_series_is_accepted_before_the_work(series: Volume, tmp_path: Path) -> None:
    check_writable(tmp_path / "a.dcm", series)
    one = replace(series, source=replace(series.source, files=series.source.files[:1]))
    with pytest.raises(MedVLPError, match="1 files"):
        check_writable(tmp_path / "a.dcm", one)


def test_files_that_do_not_fit_are_refused(segmentation: Segmentation, tmp_path: Path) -> None:
    files = segmentation.source.files
    swapped = replace(segmentation.source, files=files[::-1])
    fewer = replace(segmentation.source, files=files[1:])
    gone = replace(segmentation.source, files=(tmp_path / "gone.dcm", *files[1:]))
    for source, reason in ((swapped, "do not lie on"), (fewer, "41 slices in 40 files"), (gone, "no longer be read")):
        with pytest.raises(MedVLPError, match=reason):
            write_segmentation(replace(segmentation, source=source), tmp_path / "a.dcm")
    nothing = replace(segmentation, labels=np.zeros_like(segmentation.labels))
    with pytest.raises(MedVLPError, match="cannot be empty"):
        write_segmentation(nothing, tmp_path / "a.dcm")
    assert not list(tmp_path.iterdir())

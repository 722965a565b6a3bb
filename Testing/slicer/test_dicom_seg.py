"""DICOM SEG of a real series that was loaded as Slicer loads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import vtk

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Export import exportSegmentation  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from Testing.slicer.look import volume_voxels  # noqa: E402
from Testing.slicer.results import segmentation_of  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402


@pytest.fixture
def series(shared_data: Path) -> dict[str, Path]:
    """SOPInstanceUID → file, in no useful order."""
    files = sorted((shared_data / "dicom" / "CRLM-CT-1004").iterdir(), key=lambda f: f.name[::-1])
    return {str(pydicom.dcmread(f, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): f for f in files}


@pytest.fixture
def volume_node(scene: Any, series: dict[str, Path]) -> Any:
    """Loaded by Slicer's own reader, from files sorted along the normal, as its DICOM module does."""

    def height(file: Path) -> float:
        return float(pydicom.dcmread(file, specific_tags=["ImagePositionPatient"]).ImagePositionPatient[2])

    files = sorted(series.values(), key=height)
    names = vtk.vtkStringArray()
    for file in files:
        names.InsertNextValue(str(file))
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(files[0]), "CT", 0, names)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(series))
    return node


def lookup(series: dict[str, Path]) -> Callable[[str], str]:
    return lambda uid: str(series.get(uid, ""))


def marked(node: Any) -> np.ndarray:
    mask = np.zeros(node.GetImageData().GetDimensions(), bool)
    mask[100:130, 200:215, 3:9] = True
    mask[100, 200, 3] = False
    return mask


def test_it_lies_on_its_series(
    volume_node: Any, series: dict[str, Path], tmp_path: Path, put_under: Callable[..., Any]
) -> None:
    """Also when the user has moved the volume: the object refers to the files."""
    mask = marked(volume_node)
    place = volume_voxels(volume_node, mask)
    move = np.eye(4)
    move[:3, 3] = (50, 0, 0)
    put_under(volume_node, move)
    volume = volumeFromNode(volume_node)
    result = segmentation_of(volume, mask.astype(np.uint8), ["kidney_left", "spleen"])
    node = addSegmentation(result, volume_node, surfaces=False).node
    exportSegmentation(node, tmp_path / "a.dcm", lookup(series))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    (segment,) = dataset.SegmentSequence
    assert segment.SegmentLabel == "Left kidney"
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    assert kind.CodeValue == "64033007"
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    found = []
    spacing = [float(v) for v in dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing]
    for pixels, frame in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        row, column = np.nonzero(pixels)
        corner = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        points = corner + np.outer(column * spacing[1], (1, 0, 0)) + np.outer(row * spacing[0], (0, 1, 0))
        found.append(points * (-1, -1, 1))
    points = np.concatenate(found)
    assert len(points) == np.count_nonzero(mask)
    assert np.allclose(points[np.lexsort(np.round(points, 2).T)], place, atol=0.01)


def test_files_that_are_gone(volume_node: Any, series: dict[str, Path], tmp_path: Path) -> None:
    result = segmentation_of(volumeFromNode(volume_node), marked(volume_node).astype(np.uint8), ["liver"])
    node = addSegmentation(result, volume_node, surfaces=False).node
    some = dict(list(series.items())[1:])
    with pytest.raises(MedVLPError, match="no longer there"):
        exportSegmentation(node, tmp_path / "a.dcm", lookup(some))
    assert list(tmp_path.iterdir()) == []

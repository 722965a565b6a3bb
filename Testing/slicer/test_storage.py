"""A scene saved as a bundle (.mrb) and loaded again brings everything back, the panel's list included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Results import resultRows, resultsOf  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from MedVLPSegmentLib.Table import volumeTable  # noqa: E402
from Testing.slicer.look import segment_ids, tag, volume_voxels, world_voxels  # noqa: E402
from Testing.slicer.results import NAMES, segmentation_of, two_boxes  # noqa: E402

SHAPE = (12, 10, 8)
GRID = np.array([[0, -2.0, 0, 5], [-1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
TURN = np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


def test_a_scene_bundle(
    scene: Any, make_volume: Callable[..., Any], put_under: Callable[..., Any], tmp_path: Path
) -> None:
    array = np.random.default_rng(0).integers(-900, 100, SHAPE).astype(np.int16)
    array[two_boxes(SHAPE) == 3] = 1000
    volume_node = make_volume(array, GRID, "Schädel")
    put_under(volume_node, TURN)
    result = segmentation_of(volumeFromNode(volume_node), two_boxes(SHAPE), NAMES)
    node = addSegmentation(result, volume_node).node
    table = volumeTable(node)
    rows, place = resultRows(node), world_voxels(node, "kidney_left")
    for storable in (volume_node, node, table):
        storable.AddDefaultStorageNode()
    path = tmp_path / "scene.mrb"
    assert scene.WriteToMRB(str(path))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(path), True)
    volume_node = slicer.util.getNode("Schädel")
    node = resultsOf(volume_node)
    assert node is not None and segment_ids(node) == ["liver", "kidney_left"]
    assert resultRows(node) == rows
    assert np.allclose(world_voxels(node, "kidney_left"), place, atol=1e-3)
    # Slicer turns the voxels of a left-handed volume over when it loads one, and says so in its matrix.
    bright = slicer.util.arrayFromVolume(volume_node).transpose() == 1000
    assert np.allclose(place, volume_voxels(volume_node, bright), atol=1e-3)
    kidney = node.GetSegmentation().GetSegment("kidney_left")
    assert "SCT^64033007^Kidney~SCT^7771000^Left" in tag(kidney, kidney.GetTerminologyEntryTagName())
    assert node.GetSegmentation().GetSegment("liver").GetRepresentation("Closed surface").GetNumberOfPoints() > 8
    table = slicer.util.getNode("Schädel segmentation volumes")
    assert table.GetTable().GetValueByName(2, "structure").ToString() == "Spleen"

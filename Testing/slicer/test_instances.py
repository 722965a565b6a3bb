"""A model of instances in Slicer: each one a segment with a name and a colour, from the worker's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from MedVLPSegmentLib.Results import resultRows  # noqa: E402
from MedVLPSegmentLib.Table import volumeTable  # noqa: E402
from Testing.core.tiny_em import BORDER, NM8, brick_volume, write_tiny_em  # noqa: E402
from Testing.slicer.look import segment_ids, tag, world_voxels  # noqa: E402
from Testing.slicer.toy import TIMEOUT  # noqa: E402
from vlp3d_core.volume.segmentation import volume_text  # noqa: E402


@pytest.fixture
def block(make_volume: Callable[..., Any]) -> Any:
    volume = brick_volume()
    node = make_volume(volume.array.astype(np.uint8), volume.affine, "Block")
    node.SetAttribute("DICOM.Modality", "EM")
    return node


def test_instances_become_segments(logic: SegmentLogic, block: Any, tmp_path: Path) -> None:
    model = str(write_tiny_em(tmp_path / "em-tiny").folder)
    added = logic.wait(logic.segment(block, model=model, surfaces=False), TIMEOUT)
    assert segment_ids(added.node) == [f"neurite_{n}" for n in range(1, 13)] == list(added.ids.values())
    content = added.node.GetSegmentation()
    first, second = (content.GetSegment(f"neurite_{n}") for n in (1, 2))
    assert (first.GetName(), second.GetName()) == ("Neurite 1", "Neurite 2")
    assert first.GetColor() != second.GetColor() and "99VLP^neurite^Neurite" in tag(first, "TerminologyEntry")
    voxels = world_voxels(added.node, "neurite_1")
    assert np.allclose(voxels.mean(axis=0), added.segments[0].centre, atol=0.01 * NM8)
    rows = resultRows(added.node)
    assert len(rows) == 12 and rows[0].volumeMl == pytest.approx(len(voxels) * NM8**3 / 1000, rel=1e-3)
    assert volume_text(rows[0].volumeMl).endswith("µm³")
    table = volumeTable(added).GetTable()
    assert table.GetValueByName(0, "volume_ml").ToDouble() == pytest.approx(rows[0].volumeMl, rel=1e-3)
    again = logic.wait(logic.segment(block, model=model, segmentationNode=added.node, surfaces=False), TIMEOUT)
    assert len(segment_ids(again.node)) == 12, "an earlier result is replaced"


def test_find_shows_an_instance(logic: SegmentLogic, block: Any, tmp_path: Path) -> None:
    model = str(write_tiny_em(tmp_path / "em-tiny").folder)
    run = logic.find(block, "neurite", k=2, model=model)
    found = logic.wait(run, TIMEOUT)
    assert [region.name for region in found.regions] == ["Neurite 1", "Neurite 2"]
    kept = logic.keepRegion(run, found.regions[0])
    assert kept.node.GetSegmentation().GetNumberOfSegments() == 1


def test_membranes_are_one_segment(logic: SegmentLogic, block: Any, tmp_path: Path) -> None:
    model = str(write_tiny_em(tmp_path / "em-tiny", **BORDER).folder)
    added = logic.wait(logic.segment(block, structures=["membrane"], model=model, surfaces=False), TIMEOUT)
    assert segment_ids(added.node) == ["membrane"]
    segment = added.node.GetSegmentation().GetSegment("membrane")
    assert segment.GetName() == "Cell membrane" and "99VLP^membrane^Cell membrane" in tag(segment, "TerminologyEntry")
    (row,) = resultRows(added.node)
    voxels = len(world_voxels(added.node, "membrane"))
    assert row.volumeMl == pytest.approx(voxels * NM8**3 / 1000, rel=1e-3)
    both = logic.wait(logic.segment(block, model=model, surfaces=False), TIMEOUT)
    assert len(segment_ids(both.node)) == 12 and any("left out" in note for note in both.notes)
    run = logic.find(block, "membranes", k=2, model=model)
    assert [region.name for region in logic.wait(run, TIMEOUT).regions] == ["Cell membrane"]

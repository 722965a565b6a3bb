"""The volume table: what was found and measured, what was not found, and CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from MedVLPSegmentLib.Table import volumeTable, writeCsv  # noqa: E402
from Testing.slicer.look import BINARY  # noqa: E402
from Testing.slicer.results import NAMES, segmentation_of, two_boxes  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402


@pytest.fixture
def added(make_volume: Callable[..., Any], put_under: Callable[..., Any]) -> Any:
    """2 × 1 × 3 mm voxels under a transform that doubles every length."""
    node = make_volume(matrix=np.diag([2.0, 1, 3, 1]))
    put_under(node, np.diag([2.0, 2, 2, 1]))
    result = segmentation_of(volumeFromNode(node), two_boxes((12, 10, 8)), NAMES)
    return addSegmentation(result, node, surfaces=False)


def cells(table_node: Any) -> list[dict[str, str]]:
    table = table_node.GetTable()
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    return [{n: table.GetValueByName(r, n).ToString() for n in names} for r in range(table.GetNumberOfRows())]


def test_found_and_not_found(added: Any) -> None:
    table = volumeTable(added)
    rows = cells(table)
    assert [(r["structure"], r["found"], r["concept"]) for r in rows] == [
        ("Liver", "yes", "liver"), ("Left kidney", "yes", "kidney_left"), ("Spleen", "no", "spleen"),
    ]  # fmt: skip
    voxel_ml = 2 * 1 * 3 * 8 / 1000
    assert float(rows[0]["volume_ml"]) == pytest.approx(4 * 2 * 2 * voxel_ml)
    assert float(rows[1]["volume_ml"]) == pytest.approx((3 * 4 * 5 - 1) * voxel_ml)
    assert float(rows[2]["volume_ml"]) == 0 and float(rows[2]["score"]) == pytest.approx(0.2)
    assert {r["model"] for r in rows} == {"test-model"}
    assert table.GetColumnUnitLabel("volume_ml") == "ml"
    assert table.GetName() == "CT segmentation volumes"


def test_volumes_are_measured_after_edits(added: Any) -> None:
    image = added.node.GetSegmentation().GetSegment("liver").GetRepresentation(BINARY)
    labels = vtk_to_numpy(image.GetPointData().GetScalars())
    labels[np.flatnonzero(labels == 1)[:8]] = 0
    rows = cells(volumeTable(added.node))
    assert float(rows[0]["volume_ml"]) == pytest.approx((16 - 8) * 48 / 1000)


def test_filling_a_table_again(added: Any) -> None:
    table = volumeTable(added)
    assert volumeTable(added.node, table) is table and len(cells(table)) == 3
    assert table.GetNumberOfColumns() == 6


def test_csv(added: Any, tmp_path: Path) -> None:
    added.node.GetSegmentation().GetSegment("liver").SetName('Leber, "groß"')
    added.node.GetSegmentation().GetSegment("liver").RemoveTag("MedVLP.Score")
    writeCsv(volumeTable(added), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["structure"] == 'Leber, "groß"' and rows[0]["score"] == ""
    assert float(rows[0]["volume_ml"]) == pytest.approx(0.768) and float(rows[1]["score"]) == 0.9
    with pytest.raises(MedVLPError, match="Cannot write"):
        writeCsv(volumeTable(added), tmp_path / "missing" / "t.csv")


def test_an_empty_table(scene: Any, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="empty"):
        writeCsv(scene.AddNewNodeByClass("vtkMRMLTableNode", "T"), tmp_path / "t.csv")

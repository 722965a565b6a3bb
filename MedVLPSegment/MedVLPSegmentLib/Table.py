"""The volume table: one line per structure, found or not, as a table node and as CSV."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import vtk

from MedVLPLib.Texts import _
from MedVLPSegmentLib.Results import ResultRow, resultRows
from MedVLPSegmentLib.Segments import AddedSegments, placeBeside
from vlp3d_core.errors import MedVLPError

COLUMNS: tuple[tuple[str, type[vtk.vtkAbstractArray], str], ...] = (
    ("structure", vtk.vtkStringArray, ""),
    ("found", vtk.vtkStringArray, ""),
    ("volume_ml", vtk.vtkDoubleArray, "ml"),
    ("score", vtk.vtkDoubleArray, ""),
    ("concept", vtk.vtkStringArray, ""),
    ("model", vtk.vtkStringArray, ""),
)
"""Name, type and unit. The names are those of the engine's tables, so that scripts read both."""


def volumeTable(result: Any, tableNode: Any = None) -> Any:
    """Measure a segmentation node and list its structures, and what was not found, in a vtkMRMLTableNode.

    Args:
        result: a vtkMRMLSegmentationNode, or the AddedSegments of a run.
        tableNode: fill this one; None makes a new one beside the segmentation.
    """
    node = result.node if isinstance(result, AddedSegments) else result
    rows = resultRows(node, measure=True)
    if tableNode is None:
        name = _("{segmentation} volumes").format(segmentation=node.GetName())
        tableNode = node.GetScene().AddNewNodeByClass("vtkMRMLTableNode", node.GetScene().GenerateUniqueName(name))
        placeBeside(tableNode, node)
    modifying = tableNode.StartModify()
    tableNode.RemoveAllColumns()
    for name, kind, unit in COLUMNS:
        column = kind()
        column.SetName(name)
        for row in rows:
            column.InsertNextValue(_cell(row, name))
        tableNode.AddColumn(column)
        if unit:
            tableNode.SetColumnUnitLabel(name, unit)
    _showColumnNames(tableNode)
    tableNode.SetLocked(True)  # results, not a form
    tableNode.EndModify(modifying)
    return tableNode


def writeCsv(tableNode: Any, path: str | Path) -> None:
    """Write a table node as CSV; the file appears complete or not at all.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    from vlp3d_core.files import replacing

    table = tableNode.GetTable()
    names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    if not names:
        raise MedVLPError(_("The table '{name}' is empty.").format(name=tableNode.GetName()), _("Make it first."))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in range(table.GetNumberOfRows()):
            writer.writerow([_text(table.GetValueByName(row, name)) for name in names])


def _showColumnNames(tableNode: Any) -> None:
    """Column names as the header in table views, instead of A, B, C; Slicer 5.13 renamed the method."""
    if hasattr(tableNode, "SetUseColumnTitleAsColumnHeader"):
        tableNode.SetUseColumnTitleAsColumnHeader(True)
    else:
        tableNode.SetUseColumnNameAsColumnHeader(True)


def _cell(row: ResultRow, column: str) -> Any:
    if column == "found":
        return "yes" if row.found else "no"
    value = getattr(row, {"structure": "name", "volume_ml": "volumeMl"}.get(column, column))
    return math.nan if value is None else value


def _text(value: vtk.vtkVariant) -> str:
    if value.IsDouble():
        number = value.ToDouble()
        return "" if math.isnan(number) else repr(round(number, 6) or float(f"{number:.4g}"))
    return str(value.ToString())

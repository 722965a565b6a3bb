"""Loss and validation score as nodes of Slicer's plot view: a chart, and for each curve a series and a table.

There is one set of them, which shows the chosen job. They are not saved with the scene: a job's folder is where its
curves are kept, and a scene that is opened later would show old ones as if they were those of now.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from MedVLPLib.Texts import _

ROLE = "MedVLP.JobCurves"
"""Attribute of the nodes: which part of the set each is. An id alone may be another node's after the scene closed."""
CHART, LOSS, SCORE = "chart", "loss", "score"
CURVES = {LOSS: (0.20, 0.47, 0.96), SCORE: (0.90, 0.49, 0.13)}
"""Curve → colour (RGB, 0 to 1)."""
STEP = "step"
Curve = tuple[str, NDArray[np.float64], NDArray[np.float64]]
"""Name of the metric, steps (N,), values (N,)."""


class CurveNodes:
    """The set in a scene. It is looked for at each use: scene and nodes may be gone, or be those of a module that was
    reloaded.

    Args:
        scene: a vtkMRMLScene.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._ids: dict[str, str] = {}

    @property
    def chart(self) -> Any:
        """The vtkMRMLPlotChartNode; None where curves are not shown."""
        return self._find(CHART, "vtkMRMLPlotChartNode")

    def show(self, title: str, curves: dict[str, Curve]) -> Any:
        """Show these curves (keys of `CURVES`) and no others; returns the chart, made where there is none."""
        chart = self.chart
        if chart is None:
            chart = self._add(CHART, "vtkMRMLPlotChartNode", _("Training curves"))
            chart.SetXAxisTitle(STEP)
        chart.SetTitle(title)
        for curve in CURVES:
            if curve in curves and len(curves[curve][1]):
                self._showCurve(chart, curve, *curves[curve])
            else:
                self._removeCurve(curve)
        _setRanges(chart, list(curves.values()))
        return chart

    def remove(self) -> None:
        """Take the whole set out of the scene."""
        for curve in CURVES:
            self._removeCurve(curve)
        if self.chart is not None:
            self._scene.RemoveNode(self.chart)

    def _showCurve(self, chart: Any, curve: str, name: str, steps: Any, values: Any) -> None:
        table = self._find(f"{curve} table", "vtkMRMLTableNode")
        if table is None:
            table = self._add(f"{curve} table", "vtkMRMLTableNode", _("Training curve"))
            table.SetLocked(True)  # results, not a form
        _fill(table, {STEP: steps, name: values})
        table.SetName(_("Training curve {metric}").format(metric=name))
        series = self._find(curve, "vtkMRMLPlotSeriesNode")
        if series is None:
            series = self._add(curve, "vtkMRMLPlotSeriesNode", name)
            series.SetPlotType(series.PlotTypeScatter)
            series.SetColor(*CURVES[curve])
            series.SetMarkerStyle(series.MarkerStyleCircle if curve == SCORE else series.MarkerStyleNone)
            series.SetXColumnName(STEP)
        series.SetName(name)  # what the legend says
        series.SetYColumnName(name)
        if series.GetTableNodeID() != table.GetID():
            series.SetAndObserveTableNodeID(table.GetID())
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())

    def _removeCurve(self, curve: str) -> None:
        series = self._find(curve, "vtkMRMLPlotSeriesNode")
        if series is not None:
            if self.chart is not None:
                self.chart.RemovePlotSeriesNodeID(series.GetID())
            self._scene.RemoveNode(series)
        table = self._find(f"{curve} table", "vtkMRMLTableNode")
        if table is not None:
            self._scene.RemoveNode(table)

    def _add(self, role: str, kind: str, name: str) -> Any:
        node = self._scene.AddNewNodeByClass(kind, name)
        node.SetAttribute(ROLE, role)
        node.SetSaveWithScene(False)
        self._ids[role] = node.GetID()
        return node

    def _find(self, role: str, kind: str) -> Any:
        node = self._scene.GetNodeByID(self._ids[role]) if role in self._ids else None
        if node is not None and node.GetAttribute(ROLE) == role:
            return node
        for number in range(self._scene.GetNumberOfNodesByClass(kind)):
            node = self._scene.GetNthNodeByClass(number, kind)
            if node.GetAttribute(ROLE) == role:
                self._ids[role] = node.GetID()
                return node
        return None


def _fill(table: Any, columns: dict[str, NDArray[np.float64]]) -> None:
    """Put these columns into a table node, into the arrays that are there where they fit."""
    inner = table.GetTable()
    there = [inner.GetColumnName(n) for n in range(inner.GetNumberOfColumns())]
    modifying = table.StartModify()
    if there != list(columns):
        table.RemoveAllColumns()
        for name in columns:
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            table.AddColumn(column)
    for name, values in columns.items():
        column = inner.GetColumnByName(name)
        column.SetNumberOfValues(len(values))
        vtk_to_numpy(column)[:] = values
        column.Modified()
    inner.Modified()
    table.EndModify(modifying)


def _setRanges(chart: Any, curves: list[Curve]) -> None:
    """Axes that hold all points. Slicer's automatic ranges are those of the points that were there at first.

    They change seldom, so that somebody who has zoomed in is not disturbed at each new point.
    """
    ends = np.concatenate([steps for _name, steps, _values in curves] or [np.zeros(0)])
    heights = np.concatenate([values for _name, _steps, values in curves] or [np.zeros(0)])
    heights = heights[np.isfinite(heights)]
    known = len(ends) > 0 and len(heights) > 0
    chart.SetXAxisRangeAuto(not known)
    chart.SetYAxisRangeAuto(not known)
    if known:
        chart.SetXAxisRange(*_roundRange(0.0, float(ends.max())))
        chart.SetYAxisRange(*_roundRange(min(0.0, float(heights.min())), float(heights.max())))


def _roundRange(low: float, high: float) -> tuple[float, float]:
    """The next round numbers outside: multiples of 1, 2 or 5 times a power of ten, at most half the range."""
    half = max(high - low, 1e-6) / 2
    power = 10.0 ** np.floor(np.log10(half))
    unit = power * max(n for n in (1, 2, 5) if n * power <= half)
    first, last = np.floor(low / unit), np.ceil(high / unit)
    return float(first * unit), float(max(last, first + 1) * unit)

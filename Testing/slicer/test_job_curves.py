"""The curves of a job in Slicer's plot nodes: values exact, nodes few, and none where nobody wants them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPTrainLib import JobCurves as job_curves  # noqa: E402
from MedVLPTrainLib.CurveNodes import ROLE, CurveNodes  # noqa: E402
from MedVLPTrainLib.JobCurves import MOST, JobCurves, thinned  # noqa: E402
from vlp3d_core.service.jobs.command import METRICS  # noqa: E402

KINDS = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")


def job(folder: Path, text: str, id: str = "000001-aaaa") -> Any:
    """What the curves need of a JobView."""
    path = folder / id / METRICS
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return SimpleNamespace(id=id, name=f"Läufer {id[5]}", folder=folder / id)


def append(view: Any, text: str) -> None:
    with (view.folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(text)


def counts(scene: Any) -> tuple[int, ...]:
    return tuple(scene.GetNumberOfNodesByClass(kind) for kind in KINDS)


def columns(series: Any) -> tuple[list[float], list[float]]:
    table = series.GetTableNode().GetTable()
    x, y = (vtk_to_numpy(table.GetColumnByName(n)) for n in (series.GetXColumnName(), series.GetYColumnName()))
    return x.tolist(), y.tolist()


def drawn(curves: JobCurves) -> None:
    while curves.more():
        pass


@pytest.fixture
def curves(scene: Any) -> JobCurves:
    return JobCurves(CurveNodes(scene))


LOG = "epoch,loss,step,val_dice,val_dice/liver\n0,0.75,19,,\n0,0.5,39,,\n0,,39,0.625,0.1\n1,0.25,59,,\n"


def test_values_names_and_marks(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    curves.choose(job(tmp_path, LOG))
    drawn(curves)
    assert counts(scene) == (0, 0, 0), "nobody has asked for curves"
    chart = curves.show()
    drawn(curves)
    assert counts(scene) == (1, 2, 2)
    loss, score = chart.GetNthPlotSeriesNode(0), chart.GetNthPlotSeriesNode(1)
    assert columns(loss) == ([19, 39, 59], [0.75, 0.5, 0.25])
    assert columns(score) == ([39], [0.625])
    assert (loss.GetName(), score.GetName()) == ("loss", "val_dice")
    assert (chart.GetTitle(), chart.GetXAxisTitle()) == ("Läufer 1", "step")
    ours = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()) if scene.GetNthNode(n).GetAttribute(ROLE)]
    assert len(ours) == 5 and not any(node.GetSaveWithScene() for node in ours)


def test_many_refreshes_grow_the_same_nodes(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    view = job(tmp_path, LOG)
    curves.choose(view)
    chart = curves.show()
    drawn(curves)
    before = [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())]
    array = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetColumnByName("loss")
    told: list[str] = []
    chart.GetNthPlotSeriesNode(0).AddObserver(
        slicer.vtkMRMLPlotSeriesNode.TableModifiedEvent, lambda *_: told.append("x")
    )
    for n in range(60):
        append(view, f"1,{n / 64},{79 + 20 * n},,\n")
        drawn(curves)
    assert [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())] == before
    x, y = columns(chart.GetNthPlotSeriesNode(0))
    assert x[3:] == [79 + 20 * n for n in range(60)] and y[3:] == [n / 64 for n in range(60)]
    assert chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetColumnByName("loss") is array
    assert len(told) >= 60, "the plot view hears of each change"


def test_the_axes_hold_all_points(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    """Slicer's automatic ranges stay at those of the first points."""
    view = job(tmp_path, "epoch,loss,step\n")
    curves.choose(view)
    chart = curves.show()
    drawn(curves)
    assert chart.GetXAxisRangeAuto() and chart.GetYAxisRangeAuto()
    for rows, x, y in (
        ("0,0.75,19\n", (0, 20), (0, 0.8)),
        ("0,2.02,39\n", (0, 40), (0, 3)),
        ("0,nan,59\n", (0, 40), (0, 3)),
        ("1,-0.3,119\n", (0, 150), (-1, 3)),
    ):
        append(view, rows)
        drawn(curves)
        assert chart.GetXAxisRange() == x and chart.GetYAxisRange() == pytest.approx(y)
        assert not chart.GetXAxisRangeAuto() and not chart.GetYAxisRangeAuto()


def test_another_job_takes_the_nodes_over(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    curves.choose(job(tmp_path, LOG))
    chart = curves.show()
    drawn(curves)
    curves.choose(job(tmp_path, "epoch,loss,step\n0,2.5,0\n", "000002-bbbb"))
    drawn(curves)
    assert counts(scene) == (1, 1, 1) and chart.GetTitle() == "Läufer 2"
    assert columns(chart.GetNthPlotSeriesNode(0)) == ([0], [2.5])
    curves.choose(job(tmp_path, "epoch,loss,step,val_recall10\n0,,7,0.5\n", "000003-cccc"))
    drawn(curves)
    assert counts(scene) == (1, 1, 1) and chart.GetNthPlotSeriesNode(0).GetYColumnName() == "val_recall10"


def test_a_closed_scene_stays_empty_until_somebody_asks_again(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    view = job(tmp_path, LOG)
    curves.choose(view)
    old = curves.show().GetID()
    drawn(curves)
    scene.Clear(0)
    # Another node gets the id of ours: it must be left alone.
    foreign = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Mine")
    assert foreign.GetID() == old
    append(view, "1,0.125,79,,\n")
    drawn(curves)
    assert counts(scene) == (1, 0, 0) and not foreign.GetTitle()
    chart = curves.show()
    drawn(curves)
    assert chart is not foreign and counts(scene) == (2, 2, 2)
    assert columns(chart.GetNthPlotSeriesNode(0))[1] == [0.75, 0.5, 0.25, 0.125]
    curves.gone()
    assert counts(scene) == (1, 0, 0)


def test_a_node_deleted_by_hand_comes_again(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    view = job(tmp_path, LOG)
    curves.choose(view)
    chart = curves.show()
    drawn(curves)
    scene.RemoveNode(chart.GetNthPlotSeriesNode(0).GetTableNode())
    append(view, "1,0.125,79,,\n")
    drawn(curves)
    assert counts(scene) == (1, 2, 2)


def test_a_reloaded_module_finds_the_nodes(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    view = job(tmp_path, LOG)
    curves.choose(view)
    curves.show()
    drawn(curves)
    again = JobCurves(CurveNodes(scene))
    again.choose(view)
    drawn(again)
    assert counts(scene) == (1, 2, 2)


def test_the_layout_shows_the_chart(scene: Any, curves: JobCurves, tmp_path: Path) -> None:
    selection = scene.AddNewNodeByClass("vtkMRMLSelectionNode")
    selection.SetSingletonTag("Singleton")
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    curves.choose(job(tmp_path, LOG))
    chart = curves.show()
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert slicer.modules.plots.logic() and layout.GetViewArrangement() in (
        layout.SlicerLayoutConventionalPlotView,
        layout.SlicerLayoutFourUpPlotView,
    )


def test_drawing_waits_while_much_is_read(
    scene: Any, curves: JobCurves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = job(tmp_path, "epoch,loss,step\n" + "".join(f"0,{n / 1024},{n}\n" for n in range(5000)))
    curves.choose(view)
    curves.show()
    count = 0
    original = JobCurves._draw

    def counted(self: JobCurves) -> Any:
        nonlocal count
        count += 1
        return original(self)

    monkeypatch.setattr(job_curves, "PAUSE", 1e6)
    monkeypatch.setattr(JobCurves, "_draw", counted)
    pieces = 0
    while curves.more():
        pieces += 1
    assert pieces > 3 and count == 1, "once, when all is read"


@pytest.mark.parametrize("count", [0, 1, 2 * MOST - 1, 2 * MOST, 2 * MOST + 1, 99_999, 100_000])
def test_thinned_curves_hold_measured_values(count: int) -> None:
    points = {step: step / 7 for step in range(count)}
    steps, values = thinned(points)
    assert len(steps) <= 2 * MOST and len(steps) >= min(count, MOST)
    assert np.array_equal(values, steps / 7) and np.all(np.diff(steps) > 0)
    if count:
        assert steps[0] == 0 and steps[-1] == count - 1
    if count < 2 * MOST:
        assert len(steps) == count

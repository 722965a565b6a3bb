"""Each button of the chosen job: when it can be pressed, why not otherwise, and what it does with real jobs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from Testing.wiring.jobs.material import make_job
from vlp3d_core.service.jobs.child import end_tree
from vlp3d_core.service.jobs.spec import JobSpec, Resources
from vlp3d_core.service.jobs.state import read_state

ALL = ("Stop", "Resume", "Clone", "Remove", "Curves", "Report", "Board", "Folder", "Use", "Export", "Case")


def enabled(bench: Any) -> set[str]:
    return {name for name in ALL if bench.button(name).enabled}


def choose(bench: Any, job: Any) -> None:
    bench.look()
    bench.choose(job.id)


def test_without_a_job_nothing_can_be_pressed(bench: Any) -> None:
    assert enabled(bench) == set()
    assert {bench.button(name).toolTip for name in ALL} == {"Choose a job in the table first."}


@pytest.mark.parametrize(
    ("state", "can", "reasons"),
    [
        ("queued", {"Stop"}, {"Remove": "Stop it first.", "Use": "Wait until it is done."}),
        ("running", {"Stop"}, {"Resume": "The job is not over (runs).", "Report": "Wait until it is done."}),
        ("finishing", set(), {"Stop": "It is finishing already."}),
        ("done", {"Remove"}, {"Stop": "The job is over (done).", "Use": "Its model is not in its folder."}),
        ("failed", {"Resume", "Remove"}, {"Export": "It has made no model."}),
        ("cancelled", {"Resume", "Remove"}, {"Report": "It has made no report page."}),
        ("lost", {"Resume", "Remove"}, {"Board": "It has written nothing for TensorBoard (yet)."}),
    ],
)
def test_what_a_state_allows(bench: Any, state: str, can: set[str], reasons: dict[str, str]) -> None:
    choose(bench, make_job(bench.jobs.root, state))
    assert enabled(bench) == can | {"Clone", "Curves", "Folder"}
    for name, reason in reasons.items():
        assert bench.button(name).toolTip == reason
    assert bench.button("Folder").toolTip.startswith("Open the folder of the job"), "its own words come back"


def test_tensorboard_that_is_not_installed_is_said(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from MedVLPTrainLib import Obstacles

    monkeypatch.setattr(Obstacles, "hasTensorBoard", lambda: False)
    job = make_job(bench.jobs.root)
    (job.run / "tensorboard").mkdir()
    choose(bench, job)
    assert not bench.button("Board").enabled and "is not installed" in bench.button("Board").toolTip


def test_clone_hands_over_the_spec(bench: Any) -> None:
    job = make_job(bench.jobs.root, "done")
    choose(bench, job)
    bench.button("Clone").click()
    assert bench.cloned == [job.spec()]


def test_folder_and_report_open_on_the_desktop(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    (job.run / "report.html").write_text("<p>")
    choose(bench, job)
    bench.button("Folder").click()
    bench.button("Report").click()
    assert bench.opened == [f"file://{job.path}", f"file://{job.run}/report.html"]


def test_curves_come_into_the_scene_and_go_with_the_job(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    choose(bench, job)
    scene = bench.host.scene
    bench.button("Curves").click()
    bench.until(lambda: scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1)
    table = scene.GetFirstNodeByClass("vtkMRMLTableNode").GetTable()
    assert table.GetNumberOfRows() == 3 and table.GetValueByName(2, "loss").ToDouble() == 1 / 3
    shutil.rmtree(job.path)
    bench.look()
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0


def test_a_click_that_comes_too_late_says_why(bench: Any) -> None:
    """The job has gone on since the buttons were drawn."""
    job = make_job(bench.jobs.root)
    choose(bench, job)
    job.change("finishing")
    job.change("done")
    bench.button("Stop").click()
    bench.until(lambda: bench.said[-1][1] == "error")
    assert f"The job {job.id} is done." in bench.said[-1][0]


def test_remove_asks_first(bench: Any) -> None:
    job = make_job(bench.jobs.root, "failed", "Mein Lauf")
    choose(bench, job)
    bench.host.answers = [False]
    bench.button("Remove").click()
    assert bench.host.messages[0][1].startswith("Remove the job 'Mein Lauf' with its log, checkpoints and model?")
    assert not bench.box.errands.busy and job.path.is_dir()


def test_a_real_job_is_stopped_resumed_and_removed(bench: Any, tmp_path: Path) -> None:
    """A job that asks for all of the computer's memory: its supervisor waits for that until it is stopped."""
    manifest = tmp_path / "Ein Verzeichnis.jsonl"
    manifest.write_text(json.dumps({"image": "volume.nii.gz", "subject": "a", "split": "train"}))
    memory = psutil.virtual_memory().total / 1e9 * 0.999
    id = bench.jobs.submit(JobSpec("preprocess", str(manifest), "Prüfung", resources=Resources(0, memory, 20)))

    def state() -> str:
        return bench.rows()[0][1] if bench.rows() else ""

    def waits() -> bool:
        return state() == "waits" and "GB are free" in bench.ui.jobAboutLabel.text

    try:
        bench.box.selectJob(id)
        bench.box.enter()
        bench.until(waits)
        assert bench.rows()[0][0] == "Prüfung" and bench.box.table.chosen == id
        assert not bench.button("Remove").enabled
        bench.button("Stop").click()
        bench.until(lambda: state() == "stopped" and bench.button("Resume").enabled)
        bench.until(lambda: not bench.jobs.find(id).supervised and not bench.box.errands.busy)
        bench.button("Resume").click()
        bench.until(waits)
        bench.until(lambda: not bench.box.errands.busy and bench.button("Stop").enabled)
        assert read_state(bench.jobs.root / id).attempt == 2
        bench.button("Stop").click()
        bench.until(lambda: state() == "stopped" and bench.button("Remove").enabled)
        bench.until(lambda: not bench.jobs.find(id).supervised and not bench.box.errands.busy)
        bench.button("Remove").click()
        bench.until(lambda: bench.rows() == [])
        assert list(bench.jobs.root.glob("0*")) == []
        assert all(kind != "error" for _text, kind in bench.said), bench.said
    finally:
        for view in bench.jobs.list():
            for owner in (read_state(view.folder).owner, read_state(view.folder).command):
                if owner is not None and not owner.gone:
                    end_tree(owner)


def test_tensorboard_opens_its_page_and_ends_with_the_panel(bench: Any) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    job = make_job(bench.jobs.root)
    (job.run / "tensorboard").mkdir()
    choose(bench, job)
    bench.button("Board").click()
    bench.until(lambda: bench.opened)
    assert bench.opened[0].startswith("http://localhost:")
    board = bench.box.boards._boards[job.id]
    assert board.code is None
    bench.look()
    bench.button("Board").click()
    bench.until(lambda: len(bench.opened) == 2)
    assert bench.opened[0] == bench.opened[1], "the same one again"
    bench.box.close()
    assert board.code is not None and not board.folder.exists()


def test_a_tensorboard_that_ends_at_once_is_said(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(bench.jobs.root)
    (job.run / "tensorboard").mkdir()
    choose(bench, job)
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    bench.button("Board").click()
    bench.until(lambda: bench.said[-1][1] == "error")
    assert "TensorBoard ended by itself" in bench.said[-1][0]
    assert not bench.box.boards.busy


def test_a_python_that_is_not_there_is_said(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    choose(bench, job)
    bench.box.errands.python = "/nowhere/python"
    bench.button("Stop").click()
    assert bench.said[-1] == (
        "/nowhere/python cannot be started: No such file or directory. Install the extension again.", "error"
    )  # fmt: skip
    assert not bench.box.errands.busy

"""What a panel shows of all jobs: right after each look, and a look does only what there is time for."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.command import METRICS
from vlp3d_core.service.jobs.folder import JobFolder, create
from vlp3d_core.service.jobs.owner import Owner
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, read_state, write_state

SPEC = JobSpec("finetune", "/m.jsonl", "Leber", recipe="ct-head-neck")


def running(root: Path) -> JobFolder:
    job = create(root, SPEC, State("running", owner=Owner.of(os.getpid())))
    (job.path / METRICS).parent.mkdir(parents=True)
    (job.path / METRICS).write_text("epoch,loss,step\n0,0.5,19\n")
    (job.run / "config.json").write_text('{"steps": 40}')
    return job


def test_what_is_new_what_has_changed_and_what_is_gone(tmp_path: Path) -> None:
    first = running(tmp_path)
    watch = Jobs(tmp_path).watch()
    assert watch.refresh() == {first.id} and watch.refresh() == set()
    view = watch.jobs[first.id].view
    assert (view.state, view.step, view.steps, view.epoch, view.metrics) == ("running", 19, 40, 0, {"loss": 0.5})
    second = running(tmp_path)
    assert watch.refresh() == {second.id} and list(watch.jobs) == [first.id, second.id]
    with (first.path / METRICS).open("a") as file:
        file.write("0,0.25,39\n")
    second.change("finishing", "It saves and stops.")
    assert watch.refresh() == {first.id, second.id}
    assert watch.jobs[first.id].view.metrics == {"loss": 0.25}
    shown = json.loads(json.dumps(watch.jobs[second.id].view.to_json()))
    assert (shown["state"], shown["note"], shown["name"]) == ("finishing", "It saves and stops.", "Leber")
    second.change("cancelled")
    second.remove()
    assert watch.refresh() == {second.id} and list(watch.jobs) == [first.id]


def test_a_job_is_lost_although_its_files_stay_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp3d_core.service.jobs.view.LOOK_AGAIN", 0.0)
    job = running(tmp_path)
    watch = Jobs(tmp_path).watch()
    watch.refresh()
    state = read_state(job.path)
    assert state.owner is not None
    write_state(job.path, replace(state, owner=replace(state.owner, started="0")))
    assert watch.refresh() == {job.id} and watch.jobs[job.id].view.state == "lost"
    assert watch.refresh() == set()


def test_a_look_without_time_goes_on_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once a question: time for two jobs, then for the others."""
    ids = [running(tmp_path).id for _ in range(5)]
    ticks = count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    watch = Jobs(tmp_path).watch()
    assert [watch.refresh(1.5), watch.refresh(1.5), watch.refresh(1.5)] == [{*ids[:2]}, {*ids[2:4]}, {ids[4]}]
    assert all(job.view.step == 19 for job in watch.jobs.values())


def test_a_look_that_is_late_from_the_start_sees_one_job(tmp_path: Path) -> None:
    ids = [running(tmp_path).id for _ in range(3)]
    watch = Jobs(tmp_path).watch()
    assert [watch.refresh(0) for _ in range(3)] == [{id} for id in ids]

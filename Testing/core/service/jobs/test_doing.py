"""What a job tells before its first step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Testing.core.service.jobs.conftest import until
from Testing.core.service.jobs.test_view import running
from vlp3d_core.service.jobs import doing
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.command import METRICS
from vlp3d_core.service.jobs.doing import FILE, Doing, telling
from vlp3d_core.service.jobs.spec import JobSpec, Resources
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.train.store import preprocess
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume


def volumes(folder: Path, count: int) -> list[Case]:
    rng, cases = np.random.default_rng(0), []
    for number in range(count):
        array = rng.normal(0, 300, (8, 8, 8)).astype(np.float32)
        write_volume(Volume(array, np.eye(4), "CT"), folder / f"{number}.nii.gz")
        cases.append(Case(folder / f"{number}.nii.gz", str(number), "train", modality="CT"))
    return cases


def test_preparing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doing, "EVERY", 0.0)
    job = running(tmp_path / "jobs")
    (job.path / METRICS).unlink()
    watch = Jobs(tmp_path / "jobs").watch()
    watch.refresh()
    tell, seen = telling(job.path / FILE), []

    def look(stage: str, fraction: float) -> None:
        tell(stage, fraction)
        assert watch.refresh() == {job.id}
        seen.append(watch.jobs[job.id].view.doing)

    preprocess(volumes(tmp_path, 3), tmp_path / "cache", (), (1, 1, 1), Normalisation("window", -1000, 400), look)
    look("training", 0.126)
    assert seen == ["preparing 1 of 3", "preparing 2 of 3", "preparing 3 of 3", "training 13 %"]
    assert watch.refresh() == set()
    assert json.loads(json.dumps(watch.jobs[job.id].view.to_json()))["doing"] == "training 13 %"
    (job.path / METRICS).write_text("epoch,loss,step\n0,0.5,19\n")
    watch.refresh()
    assert watch.jobs[job.id].view.doing == "", "the step says more"


def test_it_is_written_now_and_then_only(tmp_path: Path) -> None:
    tell = telling(tmp_path / FILE)
    tell("first", 0.5)
    tell("second", 0.6)
    assert json.loads((tmp_path / FILE).read_text()) == {"stage": "first", "fraction": 0.5}
    telling(tmp_path / "nowhere" / FILE)("it does not matter", 0.0)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"stage": "x"}', '{"stage": "x", "fraction": "y"}'])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, content: str) -> None:
    said = Doing(tmp_path / FILE)
    assert not said.refresh()
    (tmp_path / FILE).write_text(content)
    assert not said.refresh() and said.text == ""


def test_a_command_of_a_job_tells_its_folder(jobs: Jobs, tmp_path: Path) -> None:
    write_manifest(volumes(tmp_path, 1), tmp_path / "m.jsonl")
    id = jobs.submit(JobSpec("preprocess", str(tmp_path / "m.jsonl"), resources=Resources(0, 0.001)))
    until(jobs, id, "done", "failed")
    told = Doing(jobs.find(id).path / FILE)
    assert told.refresh() and told.text == "checking 100 %"
    assert jobs.show(id).doing == "", "it is over"

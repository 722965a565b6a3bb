"""Real trainings on a real SLURM: out of time, queued again, resumed; and two processes that train together."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.core.service.conftest import PATIENCE, eventually
from Testing.core.service.jobs.slurm.cluster import Cluster
from Testing.core.service.jobs.slurm.conftest import MakeProfile
from Testing.core.service.jobs.slurm.test_target import names, until
from Testing.core.service.jobs.test_training_job import PRETRAIN
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.command import CHECKPOINT
from vlp3d_core.service.jobs.log import read_log
from vlp3d_core.service.jobs.spec import JobSpec, Resources, parse_spec
from vlp3d_core.train.importers.studies import make_studies


@pytest.fixture
def training(tmp_path: Path) -> JobSpec:
    make_studies(8, 1, tmp_path / "Studien", (25.0, 25.0, 25.0))
    manifest = tmp_path / "Studien" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 6 else "validation"
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = {"kind": "pretrain", "method": "gtgm", "manifest": str(manifest), "overrides": {**PRETRAIN, "batch": 3}}
    return replace(parse_spec(spec), resources=Resources(stop_seconds=60))


def test_out_of_time_and_resumed(cluster: Cluster, jobs: Jobs, profile: MakeProfile, training: JobSpec) -> None:
    """Two processes that train together, one for each of two GPUs that the node says it has."""
    id = jobs.submit(replace(training, target=profile(time="60", gpus=2)))
    begun = time.monotonic()
    number = str(until(jobs, id, "running").target["job"])
    job = jobs.find(id)
    assert eventually(lambda: jobs.show(id).step is not None or jobs.show(id).state != "running", PATIENCE)
    assert jobs.show(id).state == "running", read_log(job.path)
    # It is told two minutes before the end, which is soon now; SLURM looks twice a minute.
    cluster.run("scontrol", "update", f"JobId={number}", f"TimeLimit={int(time.monotonic() - begun) // 60 + 2}")
    assert eventually(lambda: jobs.show(id).state == "queued", PATIENCE), read_log(job.path)
    assert names(jobs, id) == ["queued", "running", "finishing", "queued"]
    assert (job.path / CHECKPOINT).is_file()
    step = jobs.show(id).step
    assert step is not None
    spec = json.loads((job.path / "spec.json").read_text(encoding="utf-8"))
    assert json.loads((job.run / "config.json").read_text())["devices"] == 2
    spec["overrides"] = [text for text in spec["overrides"] if "steps=" not in text] + [f"steps={step + 3}"]
    (job.path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    assert eventually(lambda: "lets some time pass" in jobs.show(id).note, PATIENCE)
    cluster.start_again(number, "TimeLimit=60")
    state = until(jobs, id, "done", "failed")
    assert state.state == "done", (state, read_log(job.path))
    assert state.attempt == 2 and "--resume" in read_log(job.path) and "started again" in read_log(job.path)
    assert (job.path / "run" / "report.html").is_file()

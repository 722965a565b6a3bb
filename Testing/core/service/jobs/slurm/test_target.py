"""Jobs on a real SLURM: submitted, waiting, cancelled, killed, queued again, and everything that may be wrong there."""

from __future__ import annotations

from dataclasses import replace

import psutil

from Testing.core.service.conftest import PATIENCE, eventually
from Testing.core.service.jobs.conftest import MakeSpec
from Testing.core.service.jobs.slurm.cluster import Cluster
from Testing.core.service.jobs.slurm.conftest import MakeProfile
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.log import read_log
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State


def until(jobs: Jobs, id: str, *states: str) -> State:
    """Wait for one of the states, as the target says, and for the command where it is to run."""
    job = jobs.find(id)
    spec = job.spec()

    def there() -> bool:
        state = jobs.state(job, spec)
        return state.state in states and (state.state != "running" or state.command is not None)

    assert eventually(there, PATIENCE), (jobs.state(job, spec), read_log(job.path))
    return jobs.state(job, spec)


def names(jobs: Jobs, id: str) -> list[str]:
    return [name for name, _ in jobs.find(id).state().changes]


def command_of(jobs: Jobs, id: str) -> psutil.Process:
    command = jobs.find(id).state().command
    assert command is not None
    return psutil.Process(command.pid)


def test_a_command_that_fails_says_why(cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    id = jobs.submit(replace(failing, target=profile()))
    state = until(jobs, id, "failed")
    assert state.error is not None and state.error.cause.endswith("leer.jsonl has no cases.")
    assert names(jobs, id) == ["queued", "running", "failed"]
    assert "SLURM job" in read_log(jobs.find(id).path)


def test_cancelled_while_it_runs(cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec) -> None:
    id = jobs.submit(replace(waiting(), target=profile()))
    until(jobs, id, "running")
    command = command_of(jobs, id)
    jobs.cancel(id)
    until(jobs, id, "cancelled")
    assert names(jobs, id) == ["queued", "running", "finishing", "cancelled"]
    assert not command.is_running()

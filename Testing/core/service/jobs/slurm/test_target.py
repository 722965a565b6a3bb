"""Jobs on a real SLURM: submitted, waiting, cancelled, killed, queued again, and everything that may be wrong there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from Testing.core.service.conftest import PATIENCE, eventually
from Testing.core.service.jobs.conftest import MakeSpec
from Testing.core.service.jobs.slurm.cluster import Cluster
from Testing.core.service.jobs.slurm.conftest import MakeProfile
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.log import read_log
from vlp3d_core.service.jobs.slurm import queue, target
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State


def until(jobs: Jobs, id: str, *states: str) -> State:
    """Wait for one of the states, as the target says, and for the command where it is to run."""
    job = jobs.find(id)
    spec = job.spec()

    def there() -> bool:
        state = jobs.state(job, spec)
        return state.ended or (state.state in states and (state.state != "running" or state.command is not None))

    assert eventually(there, PATIENCE) and jobs.state(job, spec).state in states, read_log(job.path)
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


def test_pending_and_cancelled(cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    """In a partition that is closed."""
    id = jobs.submit(replace(failing, target=profile(partition="closed")))
    assert eventually(lambda: "the partition is closed" in jobs.show(id).note, PATIENCE)
    assert jobs.show(id).state == "queued"
    for refused in (jobs.remove, jobs.resume):
        with pytest.raises(MedVLPError, match=r"waits or runs|is queued"):
            refused(id)
    jobs.cancel(id)
    assert until(jobs, id, "cancelled").note == "It had not begun."
    profile()  # the same one, in a partition that is open
    jobs.resume(id)
    state = until(jobs, id, "failed")
    assert state.attempt == 2 and names(jobs, id) == ["queued", "cancelled", "queued", "running", "failed"]
    jobs.remove(id)
    assert jobs.list() == []


def test_taken_from_its_node_and_started_again(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec
) -> None:
    """A job of a partition that goes first takes the whole node."""
    id = jobs.submit(replace(waiting(), target=profile()))
    first = until(jobs, id, "running")
    cluster.run("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
    assert eventually(lambda: "SLURM lets some time pass first" in jobs.show(id).note, PATIENCE)
    assert names(jobs, id)[-1] == "queued"
    cluster.start_again(str(first.target["job"]))
    again = until(jobs, id, "running")
    assert (again.attempt, again.target["job"]) == (2, first.target["job"]) and again.command != first.command


def test_nobody_has_seen_that_its_node_failed(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec
) -> None:
    """All of its processes die at once, and SLURM queues it again: its folder still says that it runs."""
    id = jobs.submit(replace(waiting(), target=profile()))
    first = until(jobs, id, "running")
    with jobs.find(id).locked():  # the supervisor cannot write now
        cluster.run("scontrol", "requeue", str(first.target["job"]))
        supervisor = command_of(jobs, id).parent()
        assert supervisor is not None
        supervisor.kill()
    assert eventually(lambda: "queued" in names(jobs, id)[1:] or jobs.show(id).state == "queued", PATIENCE)
    assert names(jobs, id)[-2:] == ["running", "queued"]
    cluster.start_again(str(first.target["job"]))
    assert until(jobs, id, "running").attempt == 2


def test_killed_processes(cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec) -> None:
    """First the command, then what looks after it."""
    id = jobs.submit(replace(waiting(), target=profile()))
    until(jobs, id, "running")
    command_of(jobs, id).kill()
    assert "ended by the system, perhaps because memory ran out" in str(until(jobs, id, "failed").error)
    jobs.resume(id)
    until(jobs, id, "running")
    command = command_of(jobs, id)
    supervisor = command.parent()
    assert supervisor is not None
    supervisor.kill()
    assert "ended from outside" in str(until(jobs, id, "lost").error)
    assert eventually(lambda: not command.is_running(), PATIENCE)


def test_it_stays_when_the_daemon_of_its_node_is_restarted(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec
) -> None:
    id = jobs.submit(replace(waiting(), target=profile()))
    before = until(jobs, id, "running")
    cluster.restart_node()
    assert jobs.show(id).state == "running" and jobs.find(id).state().command == before.command
    jobs.cancel(id)
    until(jobs, id, "cancelled")


def test_it_does_not_stop(cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec) -> None:
    id = jobs.submit(replace(waiting(stop_seconds=0.5), target=profile()))
    until(jobs, id, "running")
    command_of(jobs, id).suspend()
    jobs.cancel(id)
    assert until(jobs, id, "cancelled").note == "It did not stop in time and was ended."


def test_cancelled_by_somebody_else(cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec) -> None:
    id = jobs.submit(replace(waiting(), target=profile()))
    number = str(until(jobs, id, "running").target["job"])
    cluster.run("scancel", number)
    assert until(jobs, id, "cancelled").note == "It was cancelled by SLURM's own commands."


def test_nobody_looks_while_slurm_is_away(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old state, and why there is no newer one; a panel does not even wait for that."""
    monkeypatch.setattr(queue, "LONG", 1.0)
    monkeypatch.setattr(target, "STOP_SECONDS", 1.0)
    name = profile()
    id = jobs.submit(replace(waiting(), target=name))
    until(jobs, id, "running")
    monkeypatch.setenv("SLURM_CONF", str(cluster.folder / "nirgends.conf"))
    job = jobs.find(id)
    state = Jobs(jobs.root).state(job, job.spec(), 2.0)
    assert state.state == "running" and "SLURM cannot be asked at present: this computer takes long" in state.note
    watch = Jobs(jobs.root).watch()
    watch.refresh()
    assert (watch.jobs[id].view.state, watch.jobs[id].view.note) == ("running", "")
    jobs.cancel(id)  # SLURM does not hear of it, but the job reads it in its folder
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    until(jobs, id, "cancelled")
    (Path(os.environ["MEDVLP_SLURM"]) / f"{name[6:]}.json").unlink()
    assert jobs.show(id).state == "cancelled"

"""Jobs on this computer, with real processes: started, stopped, killed, one after the other, and nobody waiting."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from Testing.core.service.conftest import PATIENCE, eventually
from Testing.core.service.jobs.conftest import MakeSpec, posix, process_of, until
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.jobs import devices
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.export import export
from vlp3d_core.service.jobs.queue import Queue
from vlp3d_core.service.jobs.spec import JobSpec, Resources
from vlp3d_core.service.jobs.state import read_state, write_state

ROOT = Path(__file__).parents[4]
pytestmark = posix


def names(jobs: Jobs, id: str) -> list[str]:
    return [name for name, _ in jobs.find(id).state().changes]


def test_a_command_that_fails_says_why(jobs: Jobs, failing: JobSpec) -> None:
    id = jobs.submit(failing)
    state = until(jobs, id, "failed")
    assert state.error is not None and state.error.cause.endswith("leer.jsonl has no cases.")
    assert state.error.remedy == "It needs one JSON object a line."
    assert names(jobs, id) == ["queued", "running", "failed"]
    assert "vlp3d: error: The manifest" in jobs.target("local").log(jobs.find(id))
    assert jobs.show(id).to_json()["error"] == {"cause": state.error.cause, "remedy": state.error.remedy}
    with pytest.raises(MedVLPError, match="has no result yet"):
        export(jobs.find(id), jobs.root / "x")


def test_one_after_the_other_and_cancelled(jobs: Jobs, waiting: MakeSpec, failing: JobSpec) -> None:
    first, second, third = jobs.submit(waiting()), jobs.submit(waiting()), jobs.submit(failing)
    until(jobs, first, "running")
    assert eventually(lambda: f"waits for the job {first}" in jobs.show(second).note, PATIENCE)
    assert [view.state for view in jobs.list()] == ["running", "queued", "queued"]
    for id in (first, second):
        with pytest.raises(MedVLPError, match="waits or runs"):
            jobs.remove(id)
        with pytest.raises(MedVLPError, match=f"{id} is (running|queued)"):
            jobs.resume(id)
    jobs.cancel(second)
    assert until(jobs, second, "cancelled").note == "It had not begun."
    command = process_of(jobs, first)
    jobs.cancel(first)
    until(jobs, first, "cancelled")
    assert names(jobs, first) == ["queued", "running", "finishing", "cancelled"]
    assert not command.is_running()
    until(jobs, third, "failed")
    assert Queue(jobs.root, "cpu").tickets() == [] or eventually(lambda: not Queue(jobs.root, "cpu").tickets())
    with pytest.raises(MedVLPError, match="is cancelled"):
        jobs.cancel(first)
    jobs.remove(first)
    assert first not in [view.id for view in jobs.list()]


def test_a_command_that_does_not_stop_is_ended_with_its_children(jobs: Jobs, waiting: MakeSpec) -> None:
    id = jobs.submit(waiting(stop_seconds=0.5))
    until(jobs, id, "running")
    command = process_of(jobs, id)
    command.suspend()
    jobs.cancel(id)
    assert until(jobs, id, "cancelled").note == "It did not stop in time and was ended."
    assert not command.is_running()


def test_a_killed_command(jobs: Jobs, waiting: MakeSpec) -> None:
    id = jobs.submit(waiting())
    until(jobs, id, "running")
    process_of(jobs, id).kill()
    state = until(jobs, id, "failed")
    assert state.error is not None and "ended by the system, perhaps because memory ran out" in str(state.error)


def test_a_killed_supervisor_leaves_nothing_behind_and_the_job_can_go_on(
    jobs: Jobs, waiting: MakeSpec, failing: JobSpec
) -> None:
    id = jobs.submit(waiting())
    until(jobs, id, "running")
    supervisor, command = process_of(jobs, id, "owner"), process_of(jobs, id)
    supervisor.kill()
    state = until(jobs, id, "lost")
    assert state.error is not None and "killed" in state.error.cause and "Resume" in state.error.remedy
    if sys.platform == "linux":  # elsewhere the next attempt ends it
        assert eventually(lambda: not psutil.pid_exists(command.pid), PATIENCE)
    until(jobs, jobs.submit(failing), "failed")  # the queue goes on
    jobs.resume(id)
    assert until(jobs, id, "running").attempt == 2
    assert process_of(jobs, id).pid != command.pid
    jobs.cancel(id)
    until(jobs, id, "cancelled")
    assert names(jobs, id) == ["queued", "running", "lost", "queued", "running", "finishing", "cancelled"]


def test_a_supervisor_that_is_told_to_end(jobs: Jobs, waiting: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the computer shuts down: everything is told to end, and the job is to be resumed."""
    id, other = jobs.submit(waiting()), jobs.submit(waiting())
    until(jobs, id, "running")
    for process in (process_of(jobs, other, "owner"), process_of(jobs, id, "owner"), process_of(jobs, id)):
        process.send_signal(signal.SIGTERM)
    assert "shut down" in str(until(jobs, id, "lost").error)
    assert "shut down" in str(until(jobs, other, "lost").error)


def test_whoever_submitted_it_may_go(jobs: Jobs, waiting: MakeSpec) -> None:
    """Killed with its whole group, as when a shell is closed."""
    code = (
        "import sys, time, json; from pathlib import Path\n"
        "from vlp3d_core.service.jobs.book import Jobs; from vlp3d_core.service.jobs.spec import parse_spec\n"
        "print(Jobs(Path(sys.argv[1])).submit(parse_spec(json.loads(sys.argv[2]))), flush=True); time.sleep(600)"
    )
    import json
    import os

    command = [sys.executable, "-c", code, str(jobs.root), json.dumps(waiting().to_json())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        id = parent.stdout.readline().strip()
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(PATIENCE)
    until(jobs, id, "running")
    time.sleep(0.3)
    assert jobs.show(id).state == "running"


def test_somebody_breaks_the_state_of_a_running_job(jobs: Jobs, waiting: MakeSpec) -> None:
    id = jobs.submit(waiting())
    until(jobs, id, "running")
    job = jobs.find(id)
    (job.path / "state.json").write_text('{"state": "runn')
    assert jobs.show(id).state == "lost" and "damaged" in str(jobs.show(id).error)
    for refused in (jobs.resume, jobs.remove):
        with pytest.raises(MedVLPError, match=r"is running|waits or runs"):
            refused(id)
    job.ask_to_stop()
    assert eventually(lambda: jobs.show(id).state == "cancelled", PATIENCE)


def test_memory_that_is_not_there(jobs: Jobs, failing: JobSpec, waiting: MakeSpec) -> None:
    never = jobs.submit(replace(failing, resources=Resources(0, 99_000)))
    state = until(jobs, never, "failed")
    assert "asks for 99000.0 GB of memory. This computer has" in str(state.error)
    memory = devices.memory_of("cpu")
    assert memory is not None and memory.free < memory.total
    later = jobs.submit(replace(failing, resources=Resources(0, (memory.free + memory.total) / 2e9)))
    assert eventually(lambda: "GB are free" in jobs.show(later).note, PATIENCE) and jobs.show(later).state == "queued"
    jobs.cancel(later)
    until(jobs, later, "cancelled")


def test_what_is_refused_before_there_is_a_job(
    jobs: Jobs, failing: JobSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpu_numbers", list)
    for change, said in (
        ({"manifest": str(tmp_path / "nirgends.jsonl")}, "nirgends.jsonl does not exist"),
        ({"target": "slurm:big"}, "no SLURM profile 'big'"),
        ({"resources": Resources(1)}, "asks for 1 GPUs, and this computer has none"),
        ({"kind": "finetune", "recipe": "ct-unicorn"}, "no recipe 'ct-unicorn'"),
        ({"kind": "finetune", "recipe": "ct-head-neck", "overrides": ("stepz=3",)}, "stepz"),
        ({"kind": "pretrain", "method": "gtgm", "overrides": ("batch=1",)}, "batch"),
    ):
        with pytest.raises(MedVLPError, match=said):
            jobs.submit(replace(failing, **change))
    with pytest.raises(MedVLPError, match="cannot be started"):
        Jobs(jobs.root, python=str(tmp_path / "kein python")).submit(failing)
    assert jobs.list() == [] and Queue(jobs.root, "cpu").tickets() == []


def test_gpus_have_queues_of_their_own(jobs: Jobs, failing: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU is needed to choose one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    any_gpu = replace(failing, resources=Resources())
    assert devices.choose(jobs.root, failing) == "cpu" and devices.choose(jobs.root, any_gpu) == "gpu0"
    from vlp3d_core.service.jobs.folder import JobFolder

    Queue(jobs.root, "gpu0").enter(JobFolder(jobs.root / "000001-aaaa"))
    assert devices.choose(jobs.root, any_gpu) == "gpu2"
    assert devices.environment_on("gpu2") == {"CUDA_VISIBLE_DEVICES": "2"}
    with pytest.raises(UsageError, match="a job gets one"):
        devices.choose(jobs.root, replace(failing, resources=Resources(2)))


def test_a_jump_of_the_clock_changes_nothing(jobs: Jobs, waiting: MakeSpec) -> None:
    """Times in the files are for people: a state from tomorrow is as good as any."""
    id = jobs.submit(waiting())
    until(jobs, id, "running")
    job = jobs.find(id)
    with job.locked():
        state = read_state(job.path)
        write_state(job.path, replace(state, changes=tuple((n, "2999-01-01T00:00:00Z") for n, _ in state.changes)))
    assert jobs.show(id).state == "running"
    jobs.cancel(id)
    until(jobs, id, "cancelled")
    assert jobs.submit(waiting()) > id

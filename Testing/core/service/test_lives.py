"""How a worker's process begins and ends: killed, closed, left alone, two at once. None of these waits for torch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from Testing.core.service.conftest import PATIENCE, child_of, eventually, files_of, folder_of
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.client import Worker
from vlp3d_core.volume import Volume

KILLS = int(os.environ.get("MEDVLP_KILLS", "10"))
"""How often a worker is killed at a random moment; more by hand."""
ROOT = Path(__file__).parents[3]


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[Worker]:
    """A new worker, not started."""
    made = Worker(environment=environment)
    yield made
    made.close()


def test_nothing_starts_before_the_first_request(worker: Worker) -> None:
    assert not worker.running and not worker.ready and worker.details == ""
    worker.poll()
    worker.close()
    assert worker.wait(worker.models(), PATIENCE) and worker.running


def test_killed_at_random_moments_and_used_again(worker: Worker, warm: Worker, fine_head: Volume) -> None:
    """What ran and waited fails with one sentence, the next request starts anew; another worker notices nothing."""
    dice, errors = random.Random(3), []
    for _ in range(KILLS):
        jobs = [worker.segment(fine_head, model="ct-tiny", device="cpu", key="a"), worker.models()]
        jobs.append(worker.find(fine_head, "skull", model="ct-tiny", device="cpu", key="a"))
        child, folder = child_of(worker), folder_of(worker)
        end = time.monotonic() + dice.uniform(0, 1.2)
        while time.monotonic() < end:
            worker.poll()
            time.sleep(0.005)
        child.kill()
        for job in jobs:
            try:
                worker.wait(job, PATIENCE)
            except MedVLPError as error:
                errors.append(error)
        assert all(job.ended for job in jobs) and jobs[0].state != "cancelled"
        assert not folder.exists() and not worker.running
    assert len(errors) >= KILLS and all(error.remedy and "\n" not in str(error) for error in errors)
    assert {error.cause for error in errors} == {"The worker was ended by the system, perhaps because memory ran out."}
    # The volume is sent again, because the new process does not have it, and the result is right.
    job = worker.segment(fine_head, model="ct-tiny", device="cpu", key="a")
    other = warm.segment(fine_head, model="ct-tiny", device="cpu")
    expected = warm.wait(other, PATIENCE)
    result = worker.wait(job, PATIENCE)
    assert np.array_equal(result.labels, expected.labels) and result.segments == expected.segments
    assert folder_of(worker) != folder_of(warm) and files_of(worker) == []
    # And once more in the middle of the work.
    job = worker.segment(
        fine_head, model="ct-tiny", device="cpu", on_progress=lambda job: child_of(worker).kill() if job.stage else None
    )
    with pytest.raises(MedVLPError, match="perhaps because memory ran out"):
        worker.wait(job, PATIENCE)
    assert job.stage == "preparing" and worker.wait(worker.models(), PATIENCE)


def test_a_cancel_while_torch_loads(worker: Worker, fine_head: Volume) -> None:
    job = worker.segment(fine_head, model="ct-tiny", device="cpu")
    assert eventually(lambda: (worker.poll(), job.stage == "loading")[1], PATIENCE)
    worker.cancel(job)
    with pytest.raises(Cancelled):
        worker.wait(job, PATIENCE)
    assert worker.wait(worker.models(), PATIENCE) and worker.running


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "perhaps because memory ran out"), (signal.SIGTERM, r"was ended \(SIGTERM\)")],
)
def test_signals_are_named(worker: Worker, number: signal.Signals, words: str) -> None:
    worker.wait(worker.models(), PATIENCE)
    job = worker.hello()
    child_of(worker).send_signal(number)
    with pytest.raises(MedVLPError, match=words):
        worker.wait(job, PATIENCE)
    assert worker.wait(worker.models(), PATIENCE)


def test_a_folder_that_was_cleaned_away(worker: Worker, fine_head: Volume) -> None:
    """Systems clean their temporary folder; a host may run for weeks."""
    worker.wait(worker.models(), PATIENCE)
    before = folder_of(worker)
    for path in before.iterdir():
        path.unlink()
    before.rmdir()
    job = worker.segment(fine_head, model="ct-tiny")
    worker.wait(worker.models(), PATIENCE)
    assert folder_of(worker) != before and not job.ended
    worker.cancel(job)


def test_close_ends_everything_and_may_be_repeated(worker: Worker, fine_head: Volume) -> None:
    ends: list[str] = []
    worker.wait(worker.models(), PATIENCE)
    child, folder = child_of(worker), folder_of(worker)
    jobs = [worker.segment(fine_head, on_end=lambda job: ends.append(job.state)) for _ in range(2)]
    worker.close()
    worker.close()
    assert not child.is_running() and not folder.exists() and not worker.running
    assert ends == []
    worker.poll()
    assert ends == ["cancelled"] * 2 and {job.state for job in jobs} == {"cancelled"}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_close_does_not_wait_for_a_stopped_process(worker: Worker, fine_head: Volume) -> None:
    """Nothing blocks when the worker does not read any more, and it is ended all the same."""
    worker.wait(worker.models(), PATIENCE)
    child = child_of(worker)
    child.suspend()
    tiny = Volume(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    jobs = [worker.find(tiny, "x" * 1000) for _ in range(300)]  # far more than a pipe holds
    worker.cancel(jobs[0])
    worker.poll()
    assert jobs[0].state == "cancelled"
    worker.close()
    assert eventually(lambda: not child.is_running())


PARENT = """
    import sys, time
    from vlp3d_core.service.client import Worker
    worker = Worker()
    worker.wait(worker.models(), 300)
    process = worker._uploads.process
    print(process._child.pid, process.folder, flush=True)
    {end}
"""


@pytest.mark.parametrize("end", ["time.sleep(600)", "sys.exit()", "raise SystemError", "import os; os._exit(3)"])
def test_the_worker_ends_with_its_owner(end: str) -> None:
    """Killed, ended without a word, by an exception, or crashed."""
    code = textwrap.dedent(PARENT.format(end=end))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        if "sleep" in end:
            assert psutil.pid_exists(int(pid)) and Path(folder).is_dir()
            parent.kill()
        parent.wait(PATIENCE)
        assert eventually(lambda: not psutil.pid_exists(int(pid)))
        assert eventually(lambda: not Path(folder).exists())


def test_a_python_that_is_not_there(environment: dict[str, str]) -> None:
    worker = Worker(python=str(ROOT / "no-such-python"), environment=environment)
    job = worker.models()
    assert job.state == "waiting"
    with pytest.raises(MedVLPError, match=r"no-such-python cannot be started: No such file"):
        worker.wait(job, PATIENCE)
    assert not worker.running
    worker.close()


def test_an_unwritable_temporary_folder(
    worker: Worker, fine_head: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        job = worker.segment(fine_head, on_end=lambda job: ends.append(job.state))
        with pytest.raises(MedVLPError, match=r"temporary folder .*missing cannot be written"):
            worker.wait(job, PATIENCE)
    assert ends == ["failed"]
    assert worker.wait(worker.models(), PATIENCE)

"""Jobs that SLURM takes from their node: saved between two steps, queued again, resumed; `scontrol` is a stand-in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vlp3d_core.train.checkpoints import LAST
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.slurm import job_id, requeue, restarted
from vlp3d_core.train.stop import StopRequest, stop_on_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SLURM runs on POSIX systems")
ROOT = Path(__file__).parents[3]
Scontrol = Callable[[str, int], Path]


@pytest.fixture
def scontrol(tmp_path: Path) -> Scontrol:
    """Makes a `scontrol` that notes its words, shows a job in a state and answers `requeue` with an exit code."""

    def make(state: str = "RUNNING", code: int = 0) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "scontrol"
        script.write_text(
            f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n'
            f'if [ "$1" = show ]; then echo "JobId=$3 JobState={state} Reason=None"; exit 0; fi\n'
            f'[ {code} = 0 ] || echo "Job/step already completing" >&2\nexit {code}\n'
        )
        script.chmod(0o755)
        return folder

    return make


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_a_job_saves_goes_back_into_the_queue_and_finds_its_checkpoint(tmp_path: Path, scontrol: Scontrol) -> None:
    manifest = make_studies(20, 1, tmp_path / "studies", (15.0, 15.0, 15.0))
    path = f"{scontrol('RUNNING', 0)}{os.pathsep}{os.environ['PATH']}"
    job = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "41", "SLURM_JOB_NAME": "vlp3d"}
    out = tmp_path / "a run"
    changes = ["encoder_options={channels: [4, 8]}", "spacing=[25,25,25]", "patch=[16,12,16]", "batch=4", "warmup=1"]
    changes += ["dimension=8", "validate_every=1000000", "precision=32-true", "accumulate=2"]
    command = [sys.executable, "-m", "vlp3d_core.cli.main", "pretrain", "gtgm", *changes]
    command += ["--manifest", str(manifest), "--out", str(out)]

    often = ["steps=1000000", "checkpoint_minutes=0.000001"]
    with subprocess.Popen([*command, *often], stderr=subprocess.PIPE, text=True, env=job) as process:
        until = time.monotonic() + 120
        while not (out / LAST).exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGTERM)  # SLURM may not wait
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(60) == 1, said
    assert "is saved" in said and "The job 41 waits in the queue again." in said and said.count("\n") == 1
    assert calls(tmp_path) == ["show job 41", "requeue 41"]
    step = torch.load(out / LAST, weights_only=True)["global_step"]

    restarted = job | {"SLURM_RESTART_COUNT": "1"}
    again = [*command, f"steps={step + 2}"]  # without --resume: the batch script is the same
    done = subprocess.run(again, capture_output=True, text=True, env=restarted, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "pretrained.json").exists()


@pytest.mark.parametrize(
    ("state", "code", "said", "words"),
    [
        ("RUNNING", 0, "The job 3_5 waits in the queue again.", ["show job 3_5", "requeue 3_5"]),
        ("CANCELLED", 0, "The job 3_5 is cancelled and was not queued again.", ["show job 3_5"]),
        ("RUNNING", 1, "could not be queued again: Job/step already completing.", ["show job 3_5", "requeue 3_5"]),
    ],
)
def test_only_a_running_job_is_queued_again(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scontrol: Scontrol,
    state: str,
    code: int,
    said: str,
    words: list[str],
) -> None:
    monkeypatch.setenv("PATH", str(scontrol(state, code)), prepend=os.pathsep)
    assert requeue("3_5").endswith(said)
    assert calls(tmp_path) == words


def test_a_machine_without_scontrol(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requeue("3").startswith("The job 3 could not be queued again: ")


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "12"}, "12"),
        ({"SLURM_JOB_ID": "12", "SLURM_JOB_NAME": "interactive"}, None),
        ({"SLURM_JOB_ID": "12", "SLURM_JOB_NAME": "bash"}, None),
        ({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "4"}, "11_4"),
        ({"SLURM_JOB_ID": "12; rm"}, None),
    ],
)
def test_which_job_this_is(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], job: str | None) -> None:
    in_slurm(monkeypatch, environment)
    assert job_id() == job and not restarted()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert restarted()


def in_slurm(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_a_second_signal_interrupts_but_not_in_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    in_slurm(monkeypatch, {})
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with stop_on_signals(lambda: False) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    in_slurm(monkeypatch, {"SLURM_JOB_ID": "1"})
    with stop_on_signals(lambda: False) as stop:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
        assert isinstance(stop, StopRequest) and len(stop.received) == 3
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before

"""`run.json`: what a run was computed with; never a reason to fail."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import torch

from vlp3d_core import __version__
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.machine import source_state
from vlp3d_core.train.run_record import RECORD, read_parts, recorded
from vlp3d_core.train.settings import RunSettings

RUN = RunSettings(spacing=(1.0, 1.0, 1.0), normalisation={}, modality="CT", seed=7)


def test_each_start_of_a_run_is_a_part(
    manifest: Path, settings: Callable[..., FinetuneConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["vlp3d", "finetune", "x"])
    steps: list[float] = []
    with pytest.raises(Stopped):
        finetune(
            settings(steps=2, validate_every=1),
            manifest,
            tmp_path,
            progress=lambda stage, fraction: steps.append(fraction) if stage.startswith("training") else None,
            cancel=lambda: len(steps) == 1,
        )
    finetune(settings(steps=2, validate_every=1), manifest, tmp_path, resume=True)
    record = json.loads((tmp_path / RECORD).read_text())
    assert [part["end"] for part in record["parts"]] == ["stopped", "finished"]
    assert (
        record["seconds"] == pytest.approx(sum(part["seconds"] for part in record["parts"]), abs=0.11)
        and record["seconds"] > 0
    )
    part = record["parts"][1]
    assert part["command"] == ["vlp3d", "finetune", "x"] and part["seed"] == 0
    assert part["manifest"]["name"] == manifest.name
    assert part["manifest"]["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert datetime.fromisoformat(part["started"]) <= datetime.fromisoformat(part["ended"])
    assert part["versions"]["torch"] == torch.__version__ and part["versions"]["vlp3d_core"] == __version__
    assert part["hardware"]["cpu"] and part["hardware"]["threads"] == torch.get_num_threads()


def test_a_run_that_fails_says_how(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("{}")

    def fail() -> None:
        with recorded(RUN, tmp_path, tmp_path / "m.jsonl", False):
            assert read_parts(tmp_path)[0]["end"] == "running"
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        fail()
    assert read_parts(tmp_path)[0]["end"] == "failed: odd"
    (tmp_path / RECORD).write_text("[1]")
    assert read_parts(tmp_path) == []


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_the_state_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "repository" / "vlp3d_core"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")

    def git(*words: str) -> None:
        names = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", "-C", str(package), *names, *words], check=True, capture_output=True)

    git("init")
    assert source_state(package) is None, "in somebody's repository, but not of it"
    git("add", ".")
    git("commit", "-m", "first")
    state = source_state(package)
    assert state is not None and len(state["commit"]) == 40 and not state["dirty"]
    (package / "__init__.py").write_text("changed")
    state = source_state(package)
    assert state is not None and state["dirty"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_state(package) is None, "no git, no failure"

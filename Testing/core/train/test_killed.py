"""kill -9 in the middle of a pretraining run: what is resumed has the losses of a run that nobody touched."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.trainer import LAST

STEPS = 30
RECIPE = {
    "method": "gtgm",
    "modality": "CT",
    "spacing": [25.0, 25.0, 25.0],
    "normalisation": {"kind": "window", "low": -1000, "high": 400},
    "encoder_options": {"channels": [4, 8]},
    "patch": [16, 12, 16],
    "batch": 4,
    "steps": STEPS,
    "validate_every": 2,
    "warmup": 1,
    "dimension": 16,
    "precision": "32-true",
}


def losses(run: Path) -> dict[int, float]:
    """By step; of a step that was made twice, the later row."""
    rows = csv.DictReader((run / "csv" / "metrics.csv").read_text(encoding="utf-8").splitlines())
    return {int(row["step"]): float(row["loss"]) for row in rows if row["loss"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    manifest = make_studies(20, 1, tmp_path / "studies", (15.0, 15.0, 15.0))
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")

    def command(out: str, *more: str) -> list[str]:
        run = ["--manifest", str(manifest), "--out", str(tmp_path / out), "--recipe", str(recipe)]
        return [sys.executable, "-m", "vlp3d_core.cli.main", "pretrain", "gtgm", *run, *more]

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command("whole"), check=True, **quiet)
    with subprocess.Popen(command("killed"), **quiet) as process:
        until = time.monotonic() + 300
        while not (tmp_path / "killed" / LAST).exists():
            assert process.poll() is None and time.monotonic() < until, "no checkpoint was written"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it was killed"
    subprocess.run(command("killed", "--resume"), check=True, **quiet)
    whole, resumed = losses(tmp_path / "whole"), losses(tmp_path / "killed")
    assert max(whole) == STEPS - 1 and len(whole) == STEPS // 2
    # A checkpoint is written before the row of its step: a kill between the two costs that row.
    assert len(whole.keys() - resumed.keys()) <= 1
    assert resumed == pytest.approx({step: whole[step] for step in resumed}, abs=1e-6)

"""`vlp3d report`: pages of runs that have not ended, of fine-tuning, and of folders that are none."""

from __future__ import annotations

import json
from pathlib import Path

from Testing.core.cli.conftest import Run, refused


def test_a_fine_tuning_run(vlp3d: Run, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("epoch,loss,step,val_dice,val_dice/liver\n0,1,0,,\n0,,1,0.4,0.8\n")
    (tmp_path / "config.json").write_text(json.dumps({"name": "ct-x", "concepts": ["liver"], "steps": 2}))
    part = {"end": "finished", "ended": "2026-01-01", "seconds": 90, "git": {"commit": "a" * 40, "dirty": True}}
    (tmp_path / "run.json").write_text(json.dumps({"parts": [part | {"hardware": {"cpu": "X1", "gpus": ["G1"]}}]}))
    done = vlp3d("report", tmp_path, "--json")
    assert done.code == 0, done.err
    assert done.json == {"page": str(tmp_path / "report.html"), "notes": []}
    page = (tmp_path / "report.html").read_text()
    for words in ("ct-x", "0.800", "1.5 minutes", "aaaaaaaaaaaa, with changes", "G1, X1", "curves of val_dice"):
        assert words in page, words
    assert "Retrieval" not in page


def test_a_pretraining_run_that_goes_on(vlp3d: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"method": "gtgm", "shuffle": "images"}))
    done = vlp3d("report", tmp_path)
    assert done.code == 0 and "The run has not ended yet." in done.err and "No metrics" in done.err
    assert "trained on false pairs (shuffle=images)" in (tmp_path / "report.html").read_text()


def test_a_folder_that_holds_no_run(vlp3d: Run, out: Path) -> None:
    refused(vlp3d("report", out), 1, "holds no training run", out)
    refused(vlp3d("report", out / "nowhere"), 1, "holds no training run", out)

"""`vlp3d finetune`: how its words become a run, what it refuses before it starts, and what Ctrl-C leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.core.cli.conftest import Run
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.write_image import write_volume

task = pytest.importorskip("vlp3d_core.train.task")


@pytest.fixture
def manifest(scan: Path) -> Path:
    path = scan.parent / "m.jsonl"
    other = scan.with_name("other.nii.gz")
    other.write_bytes(scan.read_bytes())
    files = {"train": scan.name, "validation": other.name}
    rows = [{"image": file, "subject": split, "split": split} for split, file in files.items()]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def labelled(manifest: Path) -> Path:
    """The same volumes with label maps: a slab of brainstem beside one of mandible."""
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        volume = read_volume(manifest.parent / row["image"])
        values = np.zeros(volume.shape, np.float32)
        values[10:20, 10:20, 10:20], values[20:30, 10:20, 10:20] = 1, 2
        write_volume(replace(volume, array=values), manifest.parent / f"{row['subject']}_seg.nii.gz")
        row |= {"label": f"{row['subject']}_seg.nii.gz", "labels": {"1": "brainstem", "2": "mandible"}}
    path = manifest.with_name("labelled.jsonl")
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> list[dict[str, Any]]:
    """What the engine was called with; nothing is trained."""
    calls: list[dict[str, Any]] = []

    def take(kind: Any, run: Any) -> Any:
        calls.append(vars(run))
        return read_bundle(tiny_bundle)

    monkeypatch.setattr(task, "run_task", take)
    return calls


@pytest.mark.parametrize("words", [["ct-head-neck"], ["--recipe", "ct-head-neck"]])
def test_a_recipe_and_its_changes(
    words: list[str], vlp3d: Run, manifest: Path, out: Path, started: list[dict[str, Any]]
) -> None:
    done = vlp3d(
        "finetune", *words, "steps=7", "--manifest", manifest, "--out", out / "run", "patch=[32, 32, 32]",
        "--label-fraction", "0.1", "--seed", "5", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    call = started[0]
    assert (call["config"].steps, call["config"].patch) == (7, (32, 32, 32))
    assert (call["config"].seed, call["config"].label_fraction) == (5, 0.1)
    assert (call["manifest"], call["out"], call["resume"]) == (manifest, out / "run", False)
    assert done.json["model"] == "ct-tiny"


@pytest.mark.parametrize("words", [[], ["small"], ["--recipe", "segment-small"]])
def test_without_a_recipe_a_segmentation_is_planned(
    words: list[str], vlp3d: Run, labelled: Path, out: Path, started: list[dict[str, Any]]
) -> None:
    done = vlp3d("finetune", *words, "--manifest", labelled, "--out", out / "Two Organs", "steps=7", "--seed", "3")
    assert done.code == 0, done.err
    config = started[0]["config"]
    assert (config.name, config.concepts, config.modality) == ("two-organs", ("brainstem", "mandible"), "CT")
    assert (config.steps, config.seed) == (7, 3)
    assert done.err.startswith("vlp3d: note: Planned from 1 volumes of CT and 1 label maps: brainstem, mandible; ")

    again = vlp3d(
        "finetune", "--recipe", out / "Two Organs" / "recipe.yaml", "--manifest", labelled, "--out", out / "b"
    )
    assert again.code == 0 and "Planned" not in again.err
    assert started[1]["config"] == config


def test_what_it_says_to_people(vlp3d: Run, manifest: Path, out: Path, started: list[dict[str, Any]]) -> None:
    done = vlp3d("finetune", "ct-head-neck", "--manifest", manifest, "--out", out / "run")
    assert "7 structures" in done.out
    assert "vlp3d segment" in done.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["task=classification"], 2, "Name a recipe"),
        ([], 1, "label map whose values are named"),
        (["ct-head-neck", "--recipe", "other"], 2, "Two recipes"),
        (["ct-head-neck", "stray"], 2, "stray"),
        (["ct-unicorn"], 2, "no recipe"),
        (["ct-head-neck", "stepz=7"], 2, "stepz"),
        (["ct-head-neck", "steps=many"], 2, "steps"),
        (["ct-head-neck", "--label-fraction", "0"], 2, "label-fraction"),
        (["ct-head-neck", "--label-fraction", "1.5"], 2, "label-fraction"),
        (["ct-head-neck", "--seed", "-1"], 2, "seed"),
        (["ct-head-neck", "--init", "nowhere"], 2, "nowhere"),
    ],
)
def test_what_it_refuses(
    words: list[str], code: int, said: str, vlp3d: Run, manifest: Path, out: Path, started: list[dict[str, Any]]
) -> None:
    done = vlp3d("finetune", *words, "--manifest", manifest, "--out", out / "run")
    assert done.code == code, done.err
    assert said in done.err
    assert done.err.count("\n") == 1
    assert started == []
    assert list(out.iterdir()) == []


def test_resume_and_init_reach_the_engine(
    vlp3d: Run, manifest: Path, out: Path, tiny_bundle: Path, started: list[dict[str, Any]]
) -> None:
    arguments = ("finetune", "ct-head-neck", "--manifest", manifest, "--out", out / "run")
    assert vlp3d(*arguments, "--resume", "--init", tiny_bundle).code == 0
    assert started[0]["resume"]
    assert started[0]["init"] == tiny_bundle


def test_nothing_to_resume(vlp3d: Run, manifest: Path, out: Path) -> None:
    """The engine itself refuses, before it trains."""
    done = vlp3d("finetune", "ct-head-neck", "--manifest", manifest, "--out", out / "run", "--resume")
    assert done.code == 1
    assert done.err.startswith("vlp3d: error: ")
    assert done.err.count("\n") == 1
    assert list(out.iterdir()) == []


def test_a_manifest_that_is_none(vlp3d: Run, out: Path, started: list[dict[str, Any]]) -> None:
    done = vlp3d("finetune", "ct-head-neck", "--manifest", out / "m.jsonl", "--out", out / "run")
    assert (done.code, started) == (1, [])
    assert "manifest" in done.err


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_says_what_was_kept(
    kept: bool, vlp3d: Run, manifest: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = out / "run"

    def interrupted(*args: object, **options: object) -> None:
        if kept:
            (run / "checkpoints").mkdir(parents=True)
            (run / "checkpoints" / "last.ckpt").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(task, "run_task", interrupted)
    done = vlp3d("finetune", "ct-head-neck", "--manifest", manifest, "--out", run)
    assert done.code == 1
    assert done.err.startswith("vlp3d: Cancelled. ")
    assert ("--resume" in done.err) == kept
    assert ("last.ckpt" in done.err) == kept

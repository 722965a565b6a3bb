"""`vlp3d evaluate zero-shot`: from sentences to a table, and its control."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run
from Testing.core.toy_findings import write_run, write_toys
from vlp3d_core.train.manifest import read_manifest, write_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toys(tmp_path_factory.mktemp("tøys"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "a run")


def test_scores_and_the_control(vlp3d: Run, manifest: Path, run: Path) -> None:
    command = ("evaluate", "zero-shot", "--checkpoint", run, "--manifest", manifest, "--split", "all", "--json")
    found, shuffled = vlp3d(*command).json, vlp3d(*command, "--shuffle-images").json
    rows = {row["finding"]: row for row in found["findings"]}
    assert (rows["lung_nodule"]["positives"], rows["lung_nodule"]["negatives"]) == (12, 12)
    assert rows["ascites"]["positives"] + rows["ascites"]["negatives"] == 20, "unknown ones are left out"
    assert 0 <= rows["lung_nodule"]["auroc95"][0] <= rows["lung_nodule"]["auroc"] <= rows["lung_nodule"]["auroc95"][1]
    assert found["findings"] != shuffled["findings"]


def test_what_it_says_to_people(vlp3d: Run, manifest: Path, run: Path, tmp_path: Path) -> None:
    cases = read_manifest(manifest)
    cases[0].findings["boredom"] = True
    write_manifest(cases, tmp_path / "m.jsonl")
    done = vlp3d(
        "evaluate", "zero-shot", "--checkpoint", run, "--manifest", tmp_path / "m.jsonl", "--split", "all",
        "--shuffle-images",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "24 volumes, images shuffled" in done.out and "lung_nodule" in done.out and "AUROC" in done.out
    assert "Without words: boredom." in done.out


def test_nothing_to_score(vlp3d: Run, manifest: Path, run: Path, tmp_path: Path) -> None:
    line = json.loads(manifest.read_text().splitlines()[0])
    bare = tmp_path / "m.jsonl"
    bare.write_text(json.dumps({k: v for k, v in line.items() if k != "findings"}))
    done = vlp3d("evaluate", "zero-shot", "--checkpoint", run, "--manifest", bare, "--split", "train")
    assert done.code == 1 and "has findings" in done.err and done.err.count("\n") == 1
    bare.write_text(json.dumps(line | {"findings": {"boredom": True, "mitochondrion": False}}))
    done = vlp3d("evaluate", "zero-shot", "--checkpoint", run, "--manifest", bare, "--split", "train")
    assert done.code == 1 and "no words for any of the findings in CT: boredom, mitochondrion." in done.err
    done = vlp3d("evaluate", "zero-shot", "--checkpoint", tmp_path, "--manifest", manifest)
    assert done.code == 1 and "no finished pretraining run" in done.err

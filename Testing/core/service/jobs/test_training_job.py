"""Real trainings as jobs, by the command line: cancelled, resumed, exported; a model that then segments a volume."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from Testing.core.service.conftest import PATIENCE, eventually
from Testing.core.service.jobs.conftest import posix, until
from vlp3d_core import load_model, read_volume
from vlp3d_core.phantom import make_phantom
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.command import CHECKPOINT, METRICS
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

ROOT = Path(__file__).parents[4]
pytestmark = posix
RECIPE = {
    "name": "ct-job",
    "concepts": ["mandible", "parotid_gland_left"],
    "spacing": [10.0, 10.0, 10.0],
    "normalisation": {"kind": "window", "low": -350, "high": 650},
    "modality": "CT",
    "licence": "Apache-2.0",
    "encoder_options": {"channels": [8, 16]},
    "dimension": 4,
    "text_rank": 8,
    "patch": [16, 16, 16],
    "batch": 1,
    "validate_every": 1000,
    "warmup": 2,
    "precision": "32-true",
    "anchors": ["mandible"],
}
Vlp3d = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three phantoms, their manifest and a recipe."""
    folder = tmp_path_factory.mktemp("Köpfe und Hälse")
    cases = []
    for seed, split in enumerate(("train", "validation", "test")):
        phantom = make_phantom(seed, "head-neck", spacing=(10, 10, 10))
        image, label = Path(f"{seed}.nii.gz"), Path(f"{seed}-labels.nii.gz")
        write_volume(phantom.volume, folder / image)
        write_segmentation(phantom.segmentation(), folder / label)
        cases.append(Case(image, f"head-{seed}", split, label, phantom.values, None, "CT"))
    write_manifest(cases, folder / "köpfe.jsonl")
    (folder / "rezept.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return folder


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "jobs ä")
    yield made
    for view in made.list():
        if view.state in ("queued", "running", "finishing"):
            made.cancel(view.id)
            until(made, view.id, "cancelled", "failed", "done", "lost")


@pytest.fixture
def vlp3d(jobs: Jobs) -> Vlp3d:
    """`vlp3d jobs …` as a process of its own."""
    environment = {**os.environ, "MEDVLP_JOBS": str(jobs.root), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "vlp3d_core.cli.main", "jobs"]

    def run(*words: object, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *map(str, words)], capture_output=True, text=True, check=False, env=environment, **options
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


PRETRAIN = {
    "encoder_options": {"channels": [4, 8]},
    "spacing": [25, 25, 25],
    "patch": [16, 12, 16],
    "batch": 4,
    "warmup": 1,
    "dimension": 8,
    "precision": "32-true",
    "steps": 1_000_000,
    "validate_every": 1_000_000,
}


def test_cancelled_and_resumed(jobs: Jobs, vlp3d: Vlp3d, tmp_path: Path) -> None:
    """A pretraining, which starts sooner than a fine-tuning. It would take days: it is cancelled, then shortened."""
    make_studies(8, 1, tmp_path / "Studien", (25.0, 25.0, 25.0))
    manifest = tmp_path / "Studien" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 6 else "validation"
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = {"kind": "pretrain", "method": "gtgm", "manifest": "Studien/manifest.jsonl", "overrides": PRETRAIN}
    (tmp_path / "auftrag.json").write_text(json.dumps({**spec, "resources": {"gpus": 0, "memory_gb": 0.1}}))

    id = vlp3d("submit", tmp_path / "auftrag.json").stdout.strip()
    until(jobs, id, "running")
    log = jobs.find(id).path / METRICS
    grown = eventually(lambda: log.is_file() and len(log.read_text().splitlines()) > 1, PATIENCE)
    assert grown, vlp3d("log", id).stdout
    shown = json.loads(vlp3d("show", id, "--json").stdout)
    wanted = {"id", "kind", "target", "state", "step", "epoch", "metrics", "folder", "error"}
    assert wanted <= shown.keys() and shown["state"] == "running" and shown["steps"] == 1_000_000
    assert shown["step"] >= 0 and "loss" in shown["metrics"] and shown["folder"] == str(jobs.root / id)
    assert [job["id"] for job in json.loads(vlp3d("list", "--json").stdout)["jobs"]] == [id]
    assert "asked to save and stop" in vlp3d("cancel", "1").stdout
    assert vlp3d("watch", id, check=False).returncode == 1
    state = jobs.find(id).state()
    assert state.state == "cancelled" and "is saved" in state.note
    assert (jobs.root / id / CHECKPOINT).is_file()

    steps = int(state.note.split("step ")[1].split()[0]) + 3
    spec = json.loads((jobs.root / id / "spec.json").read_text(encoding="utf-8"))
    spec["overrides"] = [text for text in spec["overrides"] if "steps=" not in text] + [f"steps={steps}"]
    (jobs.root / id / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    vlp3d("resume", id)
    assert vlp3d("watch", id, check=False).returncode == 0, vlp3d("log", id).stdout
    said = vlp3d("log", id, "-f").stdout
    assert "Attempt 2 on cpu" in said and "--resume" in said
    states = [name for name, _ in jobs.find(id).state().changes]
    assert states == ["queued", "running", "finishing", "cancelled", "queued", "running", "finishing", "done"]
    refused = vlp3d("resume", id, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1) and f"{id} is done" in refused.stderr
    vlp3d("export", id, "-o", tmp_path / "ergebnis.zip")
    names = zipfile.ZipFile(tmp_path / "ergebnis.zip").namelist()
    assert {"pretrained.json", "pretrained.safetensors", "report.html", "metrics.csv", "spec.json"} <= {*names}
    assert not any("cache" in name or name.endswith(".ckpt") for name in names)
    vlp3d("remove", id)
    assert jobs.list() == []


def test_from_the_spec_to_a_model_that_segments(home: Path, jobs: Jobs, vlp3d: Vlp3d, tmp_path: Path) -> None:
    spec = {
        "format": 1,
        "kind": "finetune",
        "name": "Mein Modell",
        "manifest": "köpfe.jsonl",
        "recipe": "rezept.yaml",
        "overrides": {"steps": 6, "validate_every": 3},
        "resources": {"gpus": 0, "memory_gb": 0.1},
    }
    (home / "auftrag.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    id = vlp3d("submit", home / "auftrag.json").stdout.strip()
    assert vlp3d("watch", id, check=False).returncode == 0, vlp3d("log", id).stdout
    assert jobs.show(id).metrics.keys() >= {"loss", "val_dice"}
    vlp3d("export", id, "-o", tmp_path / "ergebnis")
    volume = read_volume(home / "2.nii.gz")
    found = load_model(tmp_path / "ergebnis" / "bundle", "cpu").segment(volume)
    assert found.labels.shape == volume.shape
    assert {segment.concept for segment in found.segments} == set(RECIPE["concepts"])
    assert vlp3d("export", id, "-o", tmp_path / "ergebnis", check=False).returncode == 2


def test_a_full_disk(home: Path, jobs: Jobs, vlp3d: Vlp3d) -> None:
    """No file of the job may be longer than 30 kB: its result does not fit, everything small does."""
    row = {"image": "0.nii.gz", "subject": "head-0", "split": "train", "report": "No nodule. " * 5000}
    (home / "lang.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (home / "texte.json").write_text(json.dumps({"kind": "caption", "manifest": "lang.jsonl"}), encoding="utf-8")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    id = vlp3d("submit", home / "texte.json", preexec_fn=small_files).stdout.strip()
    state = until(jobs, id, "failed", "done")
    assert state.error is not None and "captioned.jsonl" in state.error.cause and "File too large" in state.error.cause
    assert state.error.remedy == "Choose a folder that exists, is writable and has free space."


def test_the_command_line_refuses_in_one_line(vlp3d: Vlp3d, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"kind": "finetune", "manifest": "m.jsonl", "recipe": "r", "format": 2}')
    for words, code in (
        (("submit", tmp_path / "job.json"), 2),
        (("submit", tmp_path / "nichts.json"), 1),
        (("show", "7"), 2),
        (("resume", "../x"), 2),
        (("list", "--target"), 2),
    ):
        done = vlp3d(*words, check=False)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (code, 1, ""), done.stderr
    assert vlp3d("list").stdout == "There are no jobs.\n"

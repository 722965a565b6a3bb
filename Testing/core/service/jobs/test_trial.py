"""The first steps of a real fine-tuning, measured; and what cannot be tried."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from Testing.core.service.jobs.conftest import posix
from vlp3d_core.cli.main import main
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.phantom import make_phantom
from vlp3d_core.service.jobs import trial as module
from vlp3d_core.service.jobs.settings import settings_of
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.trial import _Clock, _short, trial
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

SMALL = ("encoder_options={channels: [8, 16]}", "patch=[16, 16, 16]", "batch=1", "spacing=[10, 10, 10]")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three phantoms in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("Köpfe 1")
    cases = []
    for seed, split in enumerate(("train", "validation", "test")):
        phantom = make_phantom(seed, "head-neck", spacing=(10, 10, 10))
        image, label = Path(f"{seed}.nii.gz"), Path(f"{seed}-labels.nii.gz")
        write_volume(phantom.volume, folder / image)
        write_segmentation(phantom.segmentation(), folder / label)
        cases.append(Case(image, f"head-{seed}", split, label, phantom.values, None, "CT"))
    write_manifest(cases, folder / "köpfe.jsonl")
    return folder / "köpfe.jsonl"


@posix
def test_what_a_planned_run_needs(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "STEPS", 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spec = tmp_path / "auftrag.json"
    value = JobSpec("finetune", str(manifest), recipe="small", overrides=(*SMALL, "steps=1000")).to_json()
    spec.write_text(json.dumps(value), encoding="utf-8")
    assert main(["trial", str(spec), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 8
    assert 0 < found["seconds_per_step"] < 60
    assert found["seconds_for_the_run"] > 999 * found["seconds_per_step"]
    assert 50e6 < found["peak_memory_bytes"] < 20e9, "Python with torch is larger than that, and smaller"
    assert found["disk_bytes"] > 10_000, "checkpoints and a bundle"
    assert os.listdir(tmp_path) == ["auftrag.json"], "nothing is kept"


@posix
def test_an_error_of_the_command_comes_in_its_own_words(manifest: Path) -> None:
    with pytest.raises(MedVLPError, match="Cannot read the manifest"):
        trial(JobSpec("finetune", str(manifest.with_name("nichts.jsonl")), recipe="small"))


@posix
def test_it_stops_when_asked(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        trial(JobSpec("finetune", str(manifest), recipe="small"), cancel=lambda: next(asked))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (JobSpec("preprocess", "m.jsonl"), "has no steps"),
        (JobSpec("finetune", "m.jsonl", recipe="small", overrides=("batch=0",)), "batch must be above 0"),
        (JobSpec("finetune", "m.jsonl", recipe="nonsense"), "no recipe"),
        (JobSpec("pretrain", "m.jsonl", method="gtgm", overrides=("colour=red",)), "unknown settings: colour"),
    ],
)
def test_mistakes_are_told_before_anything_starts(spec: JobSpec, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trial(spec)


def test_the_job_itself_keeps_its_other_settings() -> None:
    spec = JobSpec("finetune", "m.jsonl", recipe="base", overrides=("steps=5000", "batch=3", "validate_every=9"))
    short = _short(spec, 20)
    assert short.overrides == ("batch=3", "steps=20", "validate_every=20", "log_every=1", "checkpoint_minutes=0")
    assert (settings_of(short).steps, settings_of(short).batch, settings_of(spec).steps) == (20, 3, 5000)


def test_first_steps_are_left_out_and_quick_ones_share_their_time() -> None:
    clock = _Clock({0: 10.0, 1: 19.0, 5: 20.0, 6: 20.5, 8: 21.5, 9: 29.0})
    assert clock.per_step() == pytest.approx(0.5)

"""Scores in a model's card: compact, replaced by split, shown by `vlp3d models`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from vlp3d_core.cli.main import main
from vlp3d_core.cli.models import mean_dice
from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate import LabelMap, Pair, evaluate_cases
from vlp3d_core.evaluate.card import add_scores, compact
from vlp3d_core.model.bundle import load_network, read_bundle
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "ct-tiny"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two subjects that both show the toy head, without skull in the second reference."""
    cases = []
    for number, values in enumerate((dict(enumerate(BANDS, 1)), dict(list(enumerate(BANDS, 1))[:-1]))):
        image, label = tmp_path / f"{number}.nii.gz", tmp_path / f"{number}-labels.nii.gz"
        write_volume(toy_head(), image)
        write_volume(Volume(toy_labels(toy_grid()).astype(np.float32), toy_grid().affine), label)
        cases.append(Case(image, f"s{number}", "test", label, values, None, "CT"))
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


@pytest.fixture
def scores(labels: np.ndarray, label_map: Any) -> dict[str, Any]:
    """One perfect case and one in which the spleen was missed."""
    missed = np.where(labels == 2, 0, labels)
    reference = label_map(labels)
    pairs = [Pair("a", reference, reference), Pair("b", label_map(missed), reference)]
    assert isinstance(reference, LabelMap)
    return evaluate_cases(pairs, resamples=50).to_json()


def test_only_summaries_are_kept(scores: dict[str, Any]) -> None:
    kept = compact(scores, "vlp3d evaluate")
    assert "rows" not in kept and kept["command"] == "vlp3d evaluate" and kept["subjects"] == 2
    assert [row["structure"] for row in kept["structures"]] == ["liver", "spleen"]
    spleen = kept["structures"][1]
    assert (spleen["n"], spleen["missed"], spleen["metrics"]["dice"]["mean"]) == (2, 1, 0.5)
    assert set(spleen["metrics"]) == {"dice", "surface_dice", "hd95_mm"}
    assert kept["mean"]["metrics"]["dice"]["mean"] == 0.75
    assert kept["mean"]["metrics"]["dice"]["low"] == pytest.approx(scores["mean"]["metrics"]["dice"]["low"], abs=1e-4)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_a_split_is_replaced_and_the_others_stay(bundle: Path, scores: dict[str, Any]) -> None:
    before = read_bundle(bundle).card
    add_scores(bundle, "validation", scores)
    add_scores(bundle, "test", scores | {"subjects": 99})
    add_scores(bundle, "test", scores)
    after = read_bundle(bundle)
    assert set(after.card["scores"]) == {"validation", "test"} and after.card["scores"]["test"]["subjects"] == 2
    assert mean_dice(after.card) == 0.75
    assert {k: v for k, v in after.card.items() if k != "scores"} == {k: v for k, v in before.items() if k != "scores"}
    load_network(after)  # the hash of the weights still fits


def test_no_bundle(tmp_path: Path, scores: dict[str, Any]) -> None:
    with pytest.raises(MedVLPError, match="not a model bundle"):
        add_scores(tmp_path, "test", scores)


def test_the_command_writes_what_models_shows(
    bundle: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDVLP_MODELS", str(bundle.parent))
    words = ["evaluate", "segmentation", "--manifest", str(manifest), "--model", str(bundle), "--device", "cpu"]
    assert main([*words, "--update-card", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["mean"]["metrics"]["dice"]["mean"]
    assert measured > 0.9
    kept = read_bundle(bundle).card["scores"]["test"]
    assert kept["command"] == "vlp3d evaluate segmentation --model ct-tiny --manifest m.jsonl --split test"
    assert main(["models", "--json"]) == 0
    row = next(r for r in json.loads(capsys.readouterr().out)["models"] if r["name"] == "ct-tiny")
    assert row["mean_dice"] == pytest.approx(measured, abs=1e-4)


def test_without_the_flag_the_card_stays(bundle: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bundle / "bundle.json").read_bytes()
    assert main(["evaluate", "segmentation", "--manifest", str(manifest), "--model", str(bundle), "--json"]) == 0
    assert (bundle / "bundle.json").read_bytes() == before
    assert capsys.readouterr().out


def test_the_flag_needs_a_model(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "segmentation", "--manifest", str(manifest), "--predictions", str(tmp_path), "--update-card"]
    assert main(words) == 2
    assert "--update-card needs a model" in capsys.readouterr().err


def test_subjects_that_the_model_was_trained_on_are_refused(
    bundle: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "segmentation", "--manifest", str(manifest), "--model", str(bundle)]
    assert main(words) == 0
    assert "does not say which subjects" in capsys.readouterr().err
    note_subjects(bundle, ["s1", "somebody else"])
    assert main(words) == 1
    assert "was trained on 1 of the subjects to evaluate: s1." in capsys.readouterr().err
    note_subjects(bundle, ["somebody else"])
    assert main(words) == 0
    assert capsys.readouterr().err == ""

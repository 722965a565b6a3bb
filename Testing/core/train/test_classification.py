"""Classification end to end on toys: both modes learn, resume, start from pretraining, and say what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from Testing.core.toy_findings import FIELD, NORMALISATION, OPTIONS, SPACING, write_run, write_toys
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.classifier import Classifier, load_classifier
from vlp3d_core.predict.represent import finding_logits
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.classification import masked_cross_entropy
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.classify import classify
from vlp3d_core.train.finding_data import finding_cases, mean_auroc, targets_of
from vlp3d_core.train.linear_probe import _logistic
from vlp3d_core.train.manifest import read_manifest, write_manifest
from vlp3d_core.train.run_record import read_parts
from vlp3d_core.train.tasks import load_task
from vlp3d_core.volume.read import read_volume

TINY = ClassificationConfig(
    task="classification",
    modality="CT",
    spacing=SPACING,
    normalisation=NORMALISATION,
    encoder_options=OPTIONS,
    patch=FIELD,
    batch=6,
    steps=48,
    validate_every=12,
    learning_rate=0.02,
    warmup=2,
    precision="32-true",
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toys(tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("pretrained"))


@pytest.fixture(scope="module")
def full(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("full")
    classify(TINY, manifest, out)
    return out


def test_what_anybody_sees_is_learned(full: Path, manifest: Path) -> None:
    saved = load_classifier(full)
    assert saved.model.findings == ("ascites", "lung_nodule")
    assert saved.card["validation_auroc"] > 0.9
    test = read_manifest(manifest, ("test",))
    logits = np.stack([finding_logits(saved, read_volume(case.image, modality="CT")) for case in test])
    assert mean_auroc(logits[:, 1:], targets_of(test, ("lung_nodule",))) == 1


@pytest.mark.parametrize("start", [True, False])
def test_a_linear_run_leaves_the_encoder_as_it_was(
    start: bool, manifest: Path, pretrained: Path, tmp_path: Path
) -> None:
    init = pretrained if start else None
    saved = classify(replace(TINY, mode="linear"), manifest, tmp_path / "one", init)
    assert saved.card["validation_auroc"] > 0.9 and saved.card["init"] == (pretrained.name if start else "")
    again = classify(replace(TINY, mode="linear"), manifest, tmp_path / "two", init)
    own, other = saved.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)
    if start:
        before = load_file(pretrained / "pretrained.safetensors")
        assert all(torch.equal(before[name], own[name]) for name in own if name.startswith("encoder."))


def test_a_run_that_was_stopped_goes_on_where_it_was(full: Path, manifest: Path, tmp_path: Path) -> None:
    steps: list[float] = []
    with pytest.raises(Stopped):
        classify(
            TINY, manifest, tmp_path, progress=lambda *step: steps.append(step[1]),
            cancel=lambda: any(step == 9 / 48 for step in steps),
        )  # fmt: skip
    classify(TINY, manifest, tmp_path, resume=True)
    one, other = (load_file(folder / "classifier.safetensors") for folder in (tmp_path, full))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_parts_of_the_labels_are_nested_and_learn_the_same_findings(manifest: Path) -> None:
    subjects = []
    for part in (1.0, 0.5, 0.25):
        train, validation, findings = finding_cases(replace(TINY, label_fraction=part), manifest)
        subjects.append({case.subject for case in train})
        assert findings == ("ascites", "lung_nodule") and len(validation) == 6
    assert [len(s) for s in subjects] == [12, 6, 3] and subjects[2] < subjects[1] < subjects[0]


def test_the_loss_is_of_what_is_known() -> None:
    logits = torch.tensor([[0.0, 5.0], [2.0, -5.0]], requires_grad=True)
    targets = torch.tensor([[1.0, torch.nan], [torch.nan, 0.0]])
    loss = masked_cross_entropy(logits, targets)
    assert loss.item() == pytest.approx((np.log(2) + np.log1p(np.exp(-5))) / 2, rel=1e-5)
    loss.backward()
    assert logits.grad is not None and logits.grad[0, 1] == logits.grad[1, 0] == 0
    assert masked_cross_entropy(logits, torch.full((2, 2), torch.nan)).item() == 0


def test_a_finding_of_one_kind_gets_no_weights() -> None:
    features = np.random.default_rng(0).normal(size=(8, 3))
    targets = np.array([[1, n % 2, np.nan] for n in range(8)], np.float32)
    weight, bias = _logistic(features, targets, 1.0)
    assert not weight[0].any() and weight[1].any() and not weight[2].any() and bias[0] == 0


def test_what_cannot_be_learned(manifest: Path, tmp_path: Path, pretrained: Path) -> None:
    with pytest.raises(MedVLPError, match="of no finding both"):
        finding_cases(replace(TINY, findings=("gallstone",)), manifest)
    bare = tmp_path / "bare.jsonl"
    write_manifest([replace(case, findings={}) for case in read_manifest(manifest)], bare)
    with pytest.raises(MedVLPError, match="has 0 volumes for training"):
        classify(TINY, bare, tmp_path / "run")
    with pytest.raises(UsageError, match="trained with spacing"):
        classify(replace(TINY, mode="linear", spacing=(9.0, 9.0, 9.0)), manifest, tmp_path / "run", pretrained)
    with pytest.raises(UsageError, match="not resumed"):
        classify(replace(TINY, mode="linear"), manifest, tmp_path / "run", resume=True)
    with pytest.raises(UsageError, match="multiples of 2"):
        classify(replace(TINY, patch=(15, 16, 16)), manifest, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_run_leaves_its_record_and_its_page(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, run = tmp_path / "tiny.yaml", tmp_path / "run"
    recipe.write_text(json.dumps(TINY.to_json() | {"steps": 4, "validate_every": 2, "accumulate": 2, "batch": 3}))
    assert main(["finetune", str(recipe), "--manifest", str(manifest), "--out", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["mode"] == "full"
    assert [part["end"] for part in read_parts(run)] == ["finished"]
    page = (run / "report.html").read_text()
    assert "classification: run" in page and "curves of val_auroc" in page


def test_recipes_of_tasks() -> None:
    config = load_task("classify-small", ["mode=linear", "label_fraction=0.1"])
    assert isinstance(config, ClassificationConfig) and config.label_fraction == 0.1
    assert load_task("ct-head-neck").task == "segmentation"
    for change, said in (
        ("task=cooking", "'cooking' is unknown"),
        ("task=[1]", "unknown"),
        ("mode=half", "mode must"),
        ("strategy=fsdp", "fsdp"),
    ):
        with pytest.raises(UsageError, match=said):
            load_task("classify-small", [change])
    with pytest.raises(UsageError, match="must be 1 with mode linear"):
        load_task("classify-small", ["mode=linear", "devices=2"])


def test_the_model_is_checked(full: Path, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="holds no finished classifier"):
        load_classifier(tmp_path)
    card = json.loads((full / "classifier.json").read_text())
    (tmp_path / "classifier.safetensors").write_bytes((full / "classifier.safetensors").read_bytes())
    for wrong in ({"findings": ["one"]}, {"findings": [], "colour": "red"}):
        (tmp_path / "classifier.json").write_text(json.dumps(card | {"architecture": wrong}))
        with pytest.raises(MedVLPError, match="do not fit its card"):
            load_classifier(tmp_path)
    assert Classifier(("a", "b"), encoder_options=OPTIONS)(torch.zeros(3, 1, 8, 8, 8)).shape == (3, 2)


def test_the_command_line(manifest: Path, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(json.dumps(TINY.to_json()))
    run = tmp_path / "ein Lauf"
    command = ["finetune", "--recipe", str(recipe), "--manifest", str(manifest), "--out", str(run), "mode=linear"]
    assert main([*command, "--init", str(pretrained), "--label-fraction", "0.9", "--seed", "3"]) == 0
    assert "a classifier of 2 findings" in capsys.readouterr().out
    card = load_classifier(run).card
    assert (card["recipe"]["label_fraction"], card["recipe"]["seed"]) == (0.9, 3)
    evaluate = ["evaluate", "classification", "--model", str(run), "--manifest", str(manifest)]
    found = []
    for more in ([], ["--shuffle-images"]):
        assert main([*evaluate, *more, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["mean"]["auroc"])
    assert found[0] > 0.9 > found[1]
    assert main(evaluate) == 0
    assert "6 volumes" in capsys.readouterr().out
    assert main([*evaluate, "--split", "all"]) == 1
    assert "was trained on 11 of the subjects" in capsys.readouterr().err
    assert main([*evaluate, "--split", "train"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "classification", "--model", str(tmp_path), "--manifest", str(manifest)]) == 1
    assert "holds no finished classifier" in capsys.readouterr().err

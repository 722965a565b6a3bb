"""Pretraining end to end on a handful of coarse studies: runs, resumes exactly, says what is wrong, can be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.encoders import parameters_in
from vlp3d_core.model.pretrained import load_pretrained
from vlp3d_core.model.vision_language import VisionLanguageModel
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.manifest import read_manifest, write_manifest
from vlp3d_core.train.pair_module import PairModule
from vlp3d_core.train.pairs import PairDataset, Text, join
from vlp3d_core.train.pretrain import module_for, pretrain
from vlp3d_core.train.pretrain_config import SIZES, PretrainConfig, load_pretrain_config
from vlp3d_core.train.settings import RECIPES
from vlp3d_core.train.start_from import start_from

GTGM_TINY = PretrainConfig(
    method="gtgm",
    modality="CT",
    spacing=(25.0, 25.0, 25.0),
    normalisation={"kind": "window", "low": -1000, "high": 400},
    encoder_options={"channels": [4, 8]},
    patch=(16, 12, 16),
    batch=4,
    steps=6,
    validate_every=2,
    warmup=1,
    dimension=16,
    precision="32-true",
)
METHODS = {
    "gtgm": GTGM_TINY,
    "t3d v1": replace(GTGM_TINY, method="t3d", objectives=("clip", "tcl", "tir")),
    "mg3d": replace(GTGM_TINY, method="mg3d"),
    "t3d v3": replace(GTGM_TINY, method="t3d", objectives=("clip", "tma")),
}

TERMS = {"gtgm": ("twins",), "mg3d": ("mlm", "sal", "mim", "cml", "dcl", "ssm", "clip")}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_studies(20, 1, tmp_path_factory.mktemp("studies"), (15.0, 15.0, 15.0))


@dataclass(frozen=True)
class Run:
    """Settings, folder, and losses by step of six steps at a stretch."""

    config: PretrainConfig
    out: Path
    losses: dict[int, float]


@pytest.fixture(scope="module", params=METHODS)
def unbroken(request: pytest.FixtureRequest, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(METHODS[request.param], tmp_path_factory.mktemp("runs") / "a run", {})
    with recorded(run.losses):
        pretrain(run.config, manifest, run.out)
    return run


class recorded:
    """The loss of each training step that is run inside, by step."""

    def __init__(self, losses: dict[int, float]) -> None:
        self.losses, self.patch = losses, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        original, losses = PairModule.training_step, self.losses

        def step(module: PairModule, batch: dict[str, Any], index: int) -> torch.Tensor:
            loss = original(module, batch, index)
            losses[module.global_step] = loss.item()
            return loss

        self.patch.setattr(PairModule, "training_step", step)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_a_run_leaves_weights_card_and_curves(unbroken: Run) -> None:
    losses, config = unbroken.losses, unbroken.config
    assert sorted(losses) == list(range(6)) and all(np.isfinite(v) for v in losses.values())
    pretrained = load_pretrained(unbroken.out)
    assert pretrained.card["method"] == config.method and pretrained.card["objectives"] == list(config.objectives)
    assert pretrained.card["data"]["training_studies"] == 14
    assert pretrained.spacing == config.spacing and pretrained.field == config.patch
    header = (unbroken.out / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"val_recall10", "val_rank_image", *(config.objectives or TERMS[config.method])} <= set(header)


def test_a_run_that_was_stopped_goes_on_where_it_was(unbroken: Run, manifest: Path, tmp_path: Path) -> None:
    losses: dict[int, float] = {}
    with recorded(losses):
        with pytest.raises(Stopped, match=r"after step 3 is saved"):
            pretrain(unbroken.config, manifest, tmp_path, cancel=lambda: len(losses) == 3)
        pretrain(unbroken.config, manifest, tmp_path, resume=True)
    assert losses == pytest.approx(unbroken.losses, abs=1e-6)
    one, other = (load_pretrained(folder).model.state_dict() for folder in (tmp_path, unbroken.out))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_run_with_averaged_weights_keeps_them_when_it_is_resumed(manifest: Path, tmp_path: Path) -> None:
    config = replace(GTGM_TINY, ema=0.9, steps=4)
    before = pretrain(config, manifest, tmp_path).model.state_dict()
    after = pretrain(config, manifest, tmp_path, resume=True).model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_encoder_can_be_fine_tuned(unbroken: Run) -> None:
    network = VisionLanguageModel("residual-unet", {"channels": [4, 8]}, 4, 384, 8)
    mean = network.text_mean.clone()
    missing = start_from(network, unbroken.out)
    assert not any(name.startswith("encoder.") for name in missing) and "text_mean" in missing
    assert torch.equal(network.text_mean, mean), "what the run learned of texts stays there"
    own, other = network.state_dict(), load_pretrained(unbroken.out).model.state_dict()
    assert all(torch.equal(own[k], other[k]) for k in own if k.startswith("encoder."))
    wider = VisionLanguageModel("residual-unet", {"channels": [5, 9]}, 4, 384, 8)
    with pytest.raises(MedVLPError, match=r"for example encoder\."):
        start_from(wider, unbroken.out)


def test_pairs_come_in_rounds_and_crops_repeat() -> None:
    dataset = pairs()
    subjects = [dataset[n]["subject"] for n in range(18)]
    for start in (0, 6, 12):
        assert sorted(subjects[start : start + 6]) == [f"s{n}" for n in range(6)]
    assert torch.equal(dataset[7]["image"], pairs()[7]["image"])
    batch = join([dataset[n] for n in range(3)])
    assert batch["image"].shape == (3, 1, 8, 8, 8) and batch["mask"].sum(1).tolist() != [0, 0, 0]


@pytest.mark.parametrize("shuffle", ["images", "captions"])
def test_the_controls_part_every_pair(shuffle: str) -> None:
    plain, control = (
        [(item["image"].numpy(), item["text"].sentences) for item in map(pairs(None, name).__getitem__, range(6))]
        for name in ("", shuffle)
    )
    moved, kept = (0, 1) if shuffle == "images" else (1, 0)
    for before, after in zip(plain, control, strict=True):
        assert not np.array_equal(before[moved], after[moved])
        assert np.array_equal(before[kept], after[kept])


def pairs(seed: int | None = 3, shuffle: str = "") -> PairDataset:
    from vlp3d_core.train.manifest import Case
    from vlp3d_core.train.store import Stored

    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (6, 10, 9, 8)).astype(np.float16)
    empty = np.zeros((10, 9, 8), np.uint8)
    stored = [
        Stored(Case(Path(f"{n}"), f"s{n}", "train"), image, empty, np.zeros(0, bool)) for n, image in enumerate(images)
    ]
    texts = [Text(rng.normal(size=(1 + n % 3, 5)).astype(np.float32)) for n in range(6)]
    return PairDataset(stored, texts, (8, 8, 8), seed, shuffle)


Change = Callable[[list[Any]], list[Any]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cases: [replace(c, report="") for c in cases], "No volume .* has a report"),
        (lambda cases: [replace(c, modality="MR") for c in cases], "has volumes of MR, and the recipe is for CT"),
        (lambda cases: [c for c in cases if c.split != "validation"], "has 0 pairs for validation"),
        (lambda cases: [c for c in cases if c.split != "train"] + cases[:2], "has 2 pairs for training, fewer than"),
    ],
)
def test_manifests_that_cannot_be_used(manifest: Path, tmp_path: Path, change: Change, message: str) -> None:
    write_manifest(change(read_manifest(manifest)), tmp_path / "m.jsonl")
    with pytest.raises(MedVLPError, match=message):
        pretrain(GTGM_TINY, tmp_path / "m.jsonl", tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("method=t4d", "method must be one of"),
        ("batch=1", "batch must be above 1"),
        ("objectives=[clip, tcp]", "objectives can have .* not tcp"),
        ("objectives=[clip]", "objectives is for t3d"),
        ("shuffle=both", "shuffle must be images or captions"),
        ("temperature=0", "temperature must be above 0"),
        ("precision=7-bit", "precision must be one of"),
        ("standardise=maybe", "standardise cannot be 'maybe'.*true or false"),
    ],
)
def test_settings_that_make_no_sense(change: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_pretrain_config("gtgm", "small", [change])


def test_recipes_by_size_and_unknown_ones() -> None:
    for method in ("gtgm", "t3d", "mg3d"):
        for path in RECIPES.glob(f"{method}-*.yaml"):
            assert load_pretrain_config(method, path).method == method
    with pytest.raises(UsageError, match="is for t3d, not for gtgm"):
        load_pretrain_config("gtgm", RECIPES / "t3d-small.yaml")
    with pytest.raises(UsageError, match="There is no recipe 'huge'"):
        load_pretrain_config("gtgm", "huge")
    with pytest.raises(UsageError, match="no pretraining method"):
        load_pretrain_config("clip")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", ["gtgm", "t3d", "mg3d"])
def test_every_recipe_builds_its_network(method: str, size: str) -> None:
    """Real weights, no step: the settings fit the encoder, the crop and the method."""
    config = load_pretrain_config(method, size)
    module = module_for(config, TextEncoder.load())[0]
    assert module.model.encoder.recompute == config.activation_checkpointing
    assert parameters_in(module) > (4e6 if size != "small" else 1e5)
    assert size == "small" or "Not run: no GPU" in (RECIPES / f"{method}-{size}.yaml").read_text()


def test_a_damaged_or_missing_run_is_named(unbroken: Run, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="holds no finished pretraining run"):
        load_pretrained(tmp_path)
    for name in ("pretrained.json", "pretrained.safetensors"):
        (tmp_path / name).write_bytes((unbroken.out / name).read_bytes())
    with (tmp_path / "pretrained.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\xff\xff\xff\x00")
    with pytest.raises(MedVLPError, match="not those of its card"):
        load_pretrained(tmp_path)


def test_the_command_line(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """pretrain, then evaluate retrieval with the contract's names; shuffled images give other ranks."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(json.dumps({**GTGM_TINY.to_json(), "steps": 2, "validate_every": 2}))
    run = str(tmp_path / "ein Lauf")
    command = ["pretrain", "gtgm", "--manifest", str(manifest), "--out", run, "--recipe", str(recipe)]
    assert main([*command, "learning_rate=0.001", "--seed", "5", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["recipe"]["learning_rate"] == 0.001 and card["recipe"]["seed"] == 5
    page = (Path(run) / "report.html").read_text()
    assert "Retrieval on the validation split" in page and page.count("data:image/png") == 2 * 2 * 2 + 2 * 2
    assert "Trained on true pairs." in page and "shuffled images" in page and "val_spread_image" in page
    write_manifest(read_manifest(manifest), tmp_path / "moved.jsonl")
    assert main(["report", run, "--manifest", str(tmp_path / "moved.jsonl")]) == 0
    assert "not the manifest that the run was trained with" in capsys.readouterr().err
    assert "Retrieval on the validation split" not in (Path(run) / "report.html").read_text()
    evaluate = ["evaluate", "retrieval", "--checkpoint", run, "--manifest", str(manifest), "--split", "train", "--json"]
    found = []
    for more in ([], ["--shuffle-images"]):
        assert main([*evaluate, *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["pairs"] == 14
    assert {"recall@1", "recall@10", "median_rank", "ci95"} <= set(found[0]["text_to_image"])
    assert found[0]["text_to_image"] != found[1]["text_to_image"]
    assert main([*evaluate[:6], "--split", "validation"]) == 0
    assert "2 pairs" in capsys.readouterr().out
    assert main([*evaluate[:6], "--split", "all"]) == 1
    said = capsys.readouterr().err
    assert "was trained on 14 of the subjects" in said and "and 11 more" in said


def test_the_command_line_says_what_is_wrong(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", "gtgm", "--manifest", str(tmp_path / "no.jsonl"), "--out", str(tmp_path / "run")]) == 1
    assert "Cannot read the manifest" in capsys.readouterr().err
    assert main(["pretrain", "mri", "--manifest", str(manifest), "--out", str(tmp_path / "run")]) == 2
    command = ["evaluate", "retrieval", "--checkpoint", str(tmp_path), "--manifest", str(manifest)]
    assert main(command) == 1
    assert "holds no finished pretraining run" in capsys.readouterr().err

"""Fine-tuning end to end on four phantoms, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging
from safetensors import safe_open
from safetensors.torch import load_file

from vlp3d_core import load_model, read_volume
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.model.trained_on import trained_on
from vlp3d_core.train import callbacks
from vlp3d_core.train.cases import fraction
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.finetune import TextQueriedSegmentation, decide, dice_per_structure, pad_to
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.train.trainer import BEST

Settings = Callable[..., FinetuneConfig]


@pytest.fixture(scope="module")
def trained(manifest: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of twenty steps."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    finetune(settings(steps=20, validate_every=10, warmup=2, learning_rate=0.01), manifest, out)
    return out


def test_the_bundle_segments_a_volume(trained: Path, heads: list[Case]) -> None:
    volume = read_volume(heads[3].image)
    found = load_model(trained / "bundle", "cpu").segment(volume)
    assert found.labels.shape == volume.shape
    assert [segment.concept for segment in found.segments] == list(read_bundle(trained / "bundle").concepts)


def test_the_card_says_how_it_was_made(trained: Path, settings: Settings) -> None:
    card = read_bundle(trained / "bundle").card
    assert card["recipe"]["command"] == "vlp3d finetune ct-tiny-trained --manifest heads.jsonl --out trained"
    assert card["recipe"]["settings"]["steps"] == 20 and card["scores"] == {}
    assert json.loads((trained / "config.json").read_text())["batch"] == settings().batch


def test_run_and_bundle_know_whom_they_were_trained_on(trained: Path) -> None:
    for folder in (trained, trained / "bundle"):
        assert trained_on(folder, [f"head-{n}" for n in range(4)]) == ["head-0", "head-1"]


def test_the_run_folder_holds_logs(trained: Path) -> None:
    header = (trained / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"step", "loss", "val_dice", "val_dice/mandible"} <= set(header)
    assert list((trained / "tensorboard").glob("events*"))


def test_nothing_on_standard_output(
    manifest: Path, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    finetune(settings(steps=2), manifest, tmp_path)
    assert capfd.readouterr().out == ""


def test_progress_reaches_the_end(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    finetune(settings(steps=3), manifest, tmp_path, progress=lambda *step: seen.append(step))
    training = [done for stage, done in seen if stage.startswith("training")]
    assert training == pytest.approx([1 / 3, 2 / 3, 1]) and seen[0][0].startswith("preparing 1 of ")


def test_the_kept_weights_are_the_averaged_ones_of_the_best_validation(
    manifest: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The averages at each validation are noted from within Lightning's callback; the second score is the best."""
    averages: list[dict[str, torch.Tensor]] = []
    raw: list[dict[str, torch.Tensor]] = []
    peak = iter([0.1, 0.7, 0.3])

    def note(self: WeightAveraging, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        network = self._average_model.module.model  # type: ignore[union-attr]
        averages.append({k: v.clone() for k, v in network.state_dict().items()})
        raw.append({k: v.clone() for k, v in module.model.state_dict().items()})
        original(self, trainer, module)

    original = WeightAveraging.on_validation_epoch_start
    monkeypatch.setattr(WeightAveraging, "on_validation_epoch_start", note)
    monkeypatch.setattr("vlp3d_core.train.finetune.dice_per_structure", lambda *a: torch.full((3,), next(peak)))
    finetune(settings(steps=6), manifest, tmp_path)
    kept = load_file(tmp_path / BEST)
    assert len(averages) == 3
    assert all(torch.equal(kept[name], averages[1][name]) for name in kept)
    assert any(not torch.equal(kept[name], raw[1][name]) for name in kept)
    with safe_open(tmp_path / BEST, "pt") as file:
        assert file.metadata() == {"step": "4", "val_dice": "0.70000"}


def test_averaging_must_follow_the_keeping(tmp_path: Path) -> None:
    trainer = pl.Trainer(
        callbacks=[WeightAveraging(), callbacks.BestWeights(tmp_path / BEST)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    with pytest.raises(AssertionError, match="averaged weights"):
        trainer.callbacks[1].setup(trainer, pl.LightningModule(), "fit")  # type: ignore[attr-defined]


def test_without_averaging(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    assert finetune(settings(steps=2, ema=0.0), manifest, tmp_path).weights.is_file()


def test_init_takes_over_what_fits(trained: Path, manifest: Path, settings: Settings, tmp_path: Path) -> None:
    start = settings(steps=1, learning_rate=1e-12, ema=0.0, dimension=6)
    finetune(start, manifest, tmp_path / "next", init=trained)
    old, new = load_file(trained / BEST), load_file(tmp_path / "next" / BEST)
    name = "encoder.stages.0.conv1.conv.weight"
    assert torch.allclose(old[name], new[name], atol=1e-6)
    assert old["projection.weight"].shape != new["projection.weight"].shape


def test_init_from_a_bundle(trained: Path, manifest: Path, settings: Settings, tmp_path: Path) -> None:
    finetune(settings(steps=1, learning_rate=1e-12, ema=0.0), manifest, tmp_path, init=trained / "bundle")
    old, new = load_file(trained / BEST), load_file(tmp_path / BEST)
    name = "encoder.stages.0.conv1.conv.weight"
    assert torch.allclose(old[name], new[name], atol=1e-3), "half precision"


def test_init_without_weights(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="holds no weights"):
        finetune(settings(), manifest, tmp_path / "run", init=tmp_path)
    (tmp_path / BEST).write_bytes(b"\0" * 100)
    with pytest.raises(MedVLPError, match="cannot be read"):
        finetune(settings(), manifest, tmp_path / "run", init=tmp_path)


def test_fractions_of_subjects_are_nested() -> None:
    cases = [Case(Path(f"{n}-{k}"), f"s{n}", "train") for n in range(50) for k in range(2)]
    chosen = [{c.subject for c in fraction(cases, part, seed=3)} for part in (0.001, 0.1, 0.5, 1.0)]
    assert [len(subjects) for subjects in chosen] == [1, 5, 25, 50]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
    assert len(fraction(cases, 0.1, seed=3)) == 10, "all volumes of a subject"
    assert {c.subject for c in fraction(cases, 0.1, seed=4)} != chosen[1]


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_split_without_structures(heads: list[Case], settings: Settings, tmp_path: Path, missing: str) -> None:
    write_manifest([case for case in heads if case.split != missing], tmp_path / "m.jsonl")
    with pytest.raises(MedVLPError, match=f"No volume of the split '{missing}'"):
        finetune(settings(), tmp_path / "m.jsonl", tmp_path / "run")
    contoured = [replace(c, contoured=("liver",)) if c.split == missing else c for c in heads]
    write_manifest(contoured, tmp_path / "m.jsonl")
    with pytest.raises(MedVLPError, match=f"No volume of the split '{missing}'"):
        finetune(settings(), tmp_path / "m.jsonl", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "A B"}, "name"),
        ({"modality": "US"}, "modality"),
        ({"postprocess": {"default": {"smooth": 1}}}, "concepts/0"),
        ({"patch": (15, 16, 16)}, "multiples of 2"),
        ({"encoder": "nope"}, "encoder must be one of residual-unet"),
        ({"precision": "7-bit"}, "precision must be one of"),
    ],
)
def test_settings_are_checked_before_the_work(
    manifest: Path, settings: Settings, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises((UsageError, MedVLPError)) as caught:
        finetune(settings(**change), manifest, tmp_path / "run")
    assert reason in str(caught.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_loss_that_is_not_a_number_stops_the_run(
    manifest: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = "vlp3d_core.train.finetune.partial_dice_bce"
    monkeypatch.setattr(loss, lambda logits, *rest: logits.sum() * torch.nan)
    with pytest.raises(MedVLPError, match=r"diverged: the loss of step 0 is nan \(subjects head-"):
        finetune(settings(), manifest, tmp_path)


def test_the_highest_score_above_0_decides() -> None:
    logits = torch.tensor([[[-1.0, 2.0, 3.0, -2.0], [-3.0, 1.0, 4.0, 0.5]]])
    assert decide(logits).tolist() == [[0, 1, 2, 2]]


def test_pad_to() -> None:
    padded = pad_to(torch.zeros(1, 1, 5, 8, 1), 4)
    assert padded.shape == (1, 1, 8, 8, 4)
    assert padded[..., 1:].eq(-1).all() and padded[0, 0, :5, :, 0].eq(0).all()


def test_dice_leaves_out_what_is_unknown_or_absent() -> None:
    decided, label = torch.tensor([1, 1, 2, 0, 3]), torch.tensor([1, 0, 2, 2, 0])
    dice = dice_per_structure(decided, label, [True, False, True])
    assert dice[0] == pytest.approx(2 / 3)
    assert np.isnan(dice[1:].numpy()).all()


def test_validation_dice_counts_every_structure_the_same(settings: Settings) -> None:
    module = TextQueriedSegmentation.__new__(TextQueriedSegmentation)
    pl.LightningModule.__init__(module)
    module.config = settings()
    module.dice = [torch.tensor([1.0, 0.0, torch.nan]), torch.tensor([1.0, torch.nan, torch.nan])]
    logged: dict[str, float] = {}
    module.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore[method-assign, assignment]
    module.on_validation_epoch_end()
    assert logged["val_dice"] == pytest.approx(0.5)
    assert module.dice == []


def test_structures_are_told_apart_from_their_own_middle(trained: Path) -> None:
    bundle = read_bundle(trained / "bundle")
    weights = load_file(bundle.weights)
    assert torch.allclose(weights["text_mean"], weights["concept_vectors"].mean(0))

"""Affinities end to end on toy tissue: they are learned, resumed, started from pretraining, and scored."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from Testing.core.toy_findings import write_run
from vlp3d_core.cli.instances import middle_of_the_best, settle
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.evaluate.instances import score_instances
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.registry import find_bundle
from vlp3d_core.predict import load_model
from vlp3d_core.progress import silent
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.affinity_data import InstancePatches, InstancePieces, InstanceVolume, first_part, instance_cases
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.importers.fib25 import cut_blocks
from vlp3d_core.train.learn_affinities import learn_affinities
from vlp3d_core.train.losses.affinity import balanced_affinity_loss
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.train.tasks import load_task
from vlp3d_core.volume.affinities import affinities_of
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

NM8 = 8e-6
MIDDLE = slice(1, -1)
NEIGHBOURS = [
    tuple(slice(1 + step, 33 + step) if axis == along else MIDDLE for axis in range(3))
    for along in range(3)
    for step in (-1, 1)
]
TINY = AffinityConfig(
    task="affinities",
    modality="EM",
    spacing=(NM8, NM8, NM8),
    normalisation={"kind": "percentile", "low": 0.5, "high": 99.5},
    encoder_options={"channels": [4, 8]},
    patch=(16, 16, 16),
    batch=2,
    steps=120,
    validate_every=30,
    learning_rate=0.02,
    warmup=2,
    precision="32-true",
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three volumes of bricks of 8 × 12 × 12 voxels, bright inside and dark where they touch."""
    folder = tmp_path_factory.mktemp("tissue")
    cases = []
    for n, split in enumerate(("train", "validation", "test")):
        rng = np.random.default_rng(n)
        i, j, k = np.meshgrid(*(np.arange(32) + 3 * n,) * 3, indexing="ij")
        labels = 1 + i // 8 + 10 * (j // 12) + 100 * (k // 12)
        # On both sides of a border: which side is which would be lost when a patch is flipped.
        wall = np.any([np.pad(labels, 1, mode="edge")[at] != labels for at in NEIGHBOURS], axis=0)
        image = np.where(wall, 60.0, 180.0) + rng.normal(0, 8, labels.shape)
        affine = np.diag([NM8, NM8, NM8, 1.0])
        files = folder / f"{split}.nrrd", folder / f"{split}_instances.nrrd"
        for file, array in zip(files, (image, labels), strict=True):
            write_volume(Volume(array.astype(np.float32), affine, "EM"), file)
        cases.append(Case(files[0], split, split, files[1], modality="EM"))
    write_manifest(cases, folder / "m.jsonl")
    return folder / "m.jsonl"


@pytest.fixture(scope="module")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "affinities"
    learn_affinities(TINY, manifest, out)
    return out


def test_a_run_ends_with_a_bundle(trained: Path, manifest: Path) -> None:
    bundle = find_bundle(trained)
    assert bundle.folder == trained / "bundle" and bundle.kind == "affinities" and bundle.concepts == ("neurite",)
    (case,) = read_manifest(manifest, ("test",))
    found = load_model(trained, "cpu").segment(read_volume(case.image, modality="EM"))
    truth, _ = read_labels(case.label or Path())
    assert score_instances(found.labels, truth).arand < 0.5


def test_a_run_that_was_stopped_goes_on_where_it_was(trained: Path, manifest: Path, tmp_path: Path) -> None:
    done: list[float] = []
    with pytest.raises(Stopped):
        learn_affinities(TINY, manifest, tmp_path, progress=lambda *s: done.append(s[1]), cancel=lambda: 0.5 in done)
    bundle = learn_affinities(replace(TINY, border="membrane"), manifest, tmp_path, resume=True)
    assert bundle.concepts == ("neurite", "membrane"), "a setting of the card may change"
    one, other = (load_file(folder / "bundle" / "weights.safetensors") for folder in (tmp_path, trained))
    assert all(torch.allclose(one[name].float(), other[name].float(), atol=1e-3) for name in one)


def test_the_command_line(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained from a pretraining run for a step, by a recipe; then scored. Subjects of training are refused."""
    recipe, run = tmp_path / "tiny.yaml", str(tmp_path / "ein Lauf")
    recipe.write_text(
        json.dumps({**TINY.to_json(), "border": "membrane", "steps": 1, "learning_rate": 1e-12, "validate_every": 1})
    )
    start = write_run(tmp_path / "pretrained")
    command = ["finetune", str(recipe), "--manifest", str(manifest), "--out", run, "--init", str(start)]
    assert main([*command, "--label-fraction", "0.5", "--seed", "2"]) == 0
    said, bundle = capsys.readouterr().out, read_bundle(Path(run) / "bundle")
    assert "the model affinities, instances of neurite" in said and "Try it: vlp3d segment VOLUME" in said
    before, after = load_file(start / "pretrained.safetensors"), load_file(bundle.weights)
    name = "encoder.stages.0.conv1.conv.weight"
    assert torch.allclose(before[name], after[name].float(), atol=1e-3), "half precision"
    assert bundle.card["recipe"]["settings"]["label_fraction"] == 0.5
    chosen = bundle.card["scores"]["validation"]
    assert bundle.card["instances"]["threshold"] == chosen["threshold"]
    assert bundle.card["instances"]["border"] == "membrane" and bundle.concepts == ("neurite", "membrane")
    by_threshold = {float(level): voi for level, voi in chosen["voi_by_threshold"].items()}
    assert chosen["threshold"] == middle_of_the_best(by_threshold)


def test_the_chosen_threshold_has_good_neighbours() -> None:
    assert middle_of_the_best({0.9: 3.0, 0.8: 0.9, 0.7: 1.1, 0.6: 1.0, 0.5: 1.2, 0.4: 2.0}) == 0.7


def test_scores_of_a_model(trained: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settle(find_bundle(trained), manifest, silent)
    evaluate = ["evaluate", "instances", "--model", str(trained), "--manifest", str(manifest)]
    assert main([*evaluate, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    scores, one = found["volumes"]["test"], found["one_instance"]["test"]
    assert scores["voi"] < 0.5 * one["voi"] and scores["arand"] < one["arand"]
    assert found["membrane_dice"]["test"] > 0.7 and found["border_dice"]["test"] > 0.7
    assert main([*evaluate, "--update-card"]) == 0
    assert "as one instance" in capsys.readouterr().out
    assert find_bundle(trained).card["scores"]["test"]["volumes"]["test"]["voi"] == scores["voi"]
    page = card_page(find_bundle(trained))
    assert "## Scores: test" in page and "Dice of membranes | Dice of their voxels" in page
    assert main([*evaluate, "--split", "test", "--worst", str(tmp_path / "p"), "--update-card", "--json"]) == 0
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert failure["file"] == "neurite.png" and f"(test): VOI {scores['voi']:.2f}; one " in failure["caption"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["neurite.png"]
    bundle = find_bundle(trained)
    assert bundle.card["failures"]["pictures"] == [failure]
    assert f"({bundle.name}/neurite.png)\n\n{failure['caption']}\n" in card_page(bundle)
    assert main([*evaluate, "--worst", str(tmp_path / "p"), "--update-card"]) == 0
    assert find_bundle(trained).card["failures"]["split"] == "validation"
    chosen = find_bundle(trained).card["scores"]["validation"]
    assert "--split validation" in chosen["command"] and "voi_by_threshold" in chosen
    assert main([*evaluate, "--worst", str(manifest / "below")]) == 1
    assert "Cannot make the folder" in capsys.readouterr().err
    other = tmp_path / "m.jsonl"
    cases = read_manifest(manifest)
    write_manifest([cases[1], Case(cases[0].image, "train", "test", cases[0].label, modality="EM")], other)
    assert main([*evaluate[:-1], str(other)]) == 1
    assert "was trained on 1 of the subjects to evaluate: train." in capsys.readouterr().err
    write_manifest(cases[2:], other)
    assert main([*evaluate[:-1], str(other), "--split", "validation"]) == 1
    assert "'validation'" in capsys.readouterr().err
    assert main(["evaluate", "instances", "--model", "ct-head-neck", "--manifest", str(manifest)]) == 2
    assert "ct-head-neck makes no instances" in capsys.readouterr().err


def test_the_loss_by_hand() -> None:
    together = torch.tensor([[[True, True, True, False, False]]])
    known = torch.tensor([[[True, True, True, True, False]]])
    logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 9.0]]], requires_grad=True)
    loss = balanced_affinity_loss(logits, together, known)
    dice = (2 * 0.5 + 1) / (4 * 0.5 + 1 + 1)
    assert loss.item() == pytest.approx(np.log(2) + 1 - dice)
    loss.backward()
    assert logits.grad is not None and logits.grad[0, 0, 4] == 0 and logits.grad[0, 0, 3] > 0
    right = torch.tensor([[[9.0, 9.0, 9.0, -9.0, 0.0]]])
    assert balanced_affinity_loss(right, together, known).item() < 0.01


def test_distances_weigh_the_same_and_the_first_ones_decide(manifest: Path, tmp_path: Path) -> None:
    logits = torch.randn(2, 6, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    together, known = logits > 0.5, torch.ones(2, 6, 4, 4, 4, dtype=torch.bool)
    parts = [
        balanced_affinity_loss(*(one[:, at] for one in (logits, together, known))) for at in (slice(3), slice(3, 6))
    ]
    assert balanced_affinity_loss(logits, together, known) == pytest.approx(float(sum(parts)) / 2)
    bundle = learn_affinities(replace(TINY, distances=(1, 5), steps=60), manifest, tmp_path)
    assert bundle.card["architecture"]["distances"] == [1, 5]
    volume = read_volume(read_manifest(manifest, ("validation",))[0].image, modality="EM")
    assert load_model(bundle.folder).segment(volume).labels.max() > 3


@pytest.mark.parametrize("distances", [(), (2,), (1, 0), (1, 16)])
def test_distances_without_sense(distances: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="distances"):
        replace(TINY, distances=distances)


def test_affinities_of_instances() -> None:
    together, known = affinities_of(np.array([1, 1, 2, 0, 2]).reshape(-1, 1, 1))
    assert together[0].ravel().tolist() == [False, True, False, False, False]
    assert known[0].ravel().tolist() == [False, True, True, False, False]
    assert not known[1:].any() and not together[1:].any()


@pytest.fixture
def volume() -> InstanceVolume:
    labels = np.arange(20 * 18 * 16).reshape(20, 18, 16).astype(np.uint16) + 1
    return InstanceVolume(Case(Path("x"), "x", "train"), (labels % 7 / 7).astype(np.float16), labels)


def test_patches_repeat_and_stay_inside(volume: InstanceVolume) -> None:
    make: Callable[[], InstancePatches] = lambda: InstancePatches([volume], (8, 8, 8), (1, 1, 2), 100, 3)  # noqa: E731
    patches = make()
    assert patches.turns == [(0, 1, 2), (1, 0, 2)], "axes of other spacing keep their place"
    for index in (0, 5, 77):
        one, other = patches[index], make()[index]
        assert torch.equal(one["image"], other["image"]) and one["image"].shape == (1, 8, 8, 8)
        assert one["known"][:, 1:, 1:, 1:].all(), "nothing beyond the volume"
        assert one["image"].min() >= -1 and one["image"].max() <= 1
    assert len({float(patches[n]["image"].sum()) for n in range(10)}) == 10


def test_deformed_patches_repeat_and_keep_image_and_labels_together() -> None:
    """Two instances of their own greys: where the image is bright, the labels are those of the bright one."""
    labels = np.ones((40, 40, 40), np.uint16)
    labels[20:] = 2
    volume = InstanceVolume(Case(Path("x"), "x", "train"), np.where(labels == 1, -0.8, 0.8).astype(np.float16), labels)
    patches, same, plain = (InstancePatches([volume], (24,) * 3, (1, 1, 1), 100, 3, (1,), e) for e in (4.0, 4.0, 0.0))
    cuts = []
    for index in range(6):
        one = patches[index]
        assert torch.equal(one["image"], same[index]["image"]) and one["image"].shape == (1, 24, 24, 24)
        assert one["image"].min() >= -1 and one["image"].max() <= 1
        for axis in range(3):
            step = one["image"][0].diff(dim=axis).abs()
            edges = (one["known"] & ~one["together"])[axis].narrow(axis, 1, 23)
            if edges.sum() > 100:
                cuts.append(float(step[edges].mean() / step[~edges].mean()))
    assert cuts and min(cuts) > 2, "the greys change where the labels do"
    assert not torch.equal(patches[0]["image"], plain[0]["image"])


def test_pieces_lie_side_by_side(volume: InstanceVolume) -> None:
    pieces = InstancePieces([volume], (8, 8, 8))
    assert len(pieces) == 2 * 2 * 2
    seen = torch.cat([piece["image"].ravel() for piece in pieces])
    expected = volume.image[:16, :16, :16].astype(np.float32)
    assert seen.sum().item() == pytest.approx(float(expected.sum()), rel=1e-3)
    assert len(InstancePieces([first_part(volume, 0.25)], (8, 8, 8))) == 4


def test_what_cannot_be_learned(manifest: Path, tmp_path: Path) -> None:
    cases = read_manifest(manifest)
    write_manifest(cases[:1], tmp_path / "m.jsonl")
    with pytest.raises(MedVLPError, match="1 volumes with instances for training and 0 for validation"):
        instance_cases(tmp_path / "m.jsonl")
    with pytest.raises(UsageError, match="label_fraction"):
        load_task("em-fib25-affinities", ["label_fraction=0"])
    with pytest.raises(UsageError, match="elastic"):
        load_task("em-fib25-affinities", ["elastic=-1"])
    for border in ("neurite", "unheard"):
        with pytest.raises(UsageError, match="border"):
            load_task("em-fib25-affinities", [f"border={border}"])
    assert isinstance(load_task("em-fib25-affinities"), AffinityConfig)


def test_blocks_of_fib25_do_not_touch(shared_data: Path, tmp_path: Path) -> None:
    cases = read_manifest(cut_blocks(shared_data / "em_fib25", tmp_path / "fib25"))
    assert [case.split for case in cases] == ["train", "validation", "test"]
    ranges = []
    for case in cases:
        image = read_volume(case.image, modality="EM")
        labels, affine = read_labels(case.label or Path())
        assert image.shape == labels.shape and np.allclose(image.affine, affine)
        first, last = sorted(image.affine[2, 3] + image.affine[2, 2] * np.array([0, image.shape[2] - 1]))
        ranges.append((first, last))
        assert len(np.unique(labels)) > 50 and image.spacing == pytest.approx((NM8,) * 3)
    ranges.sort()
    assert all(after[0] > 9 * NM8 + before[1] for before, after in itertools.pairwise(ranges)), "nine voxels between"
    with pytest.raises(MedVLPError, match="does not hold fib25"):
        cut_blocks(tmp_path, tmp_path / "other")

"""Planned runs: which volumes they take, what they refuse, and that they end in a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from Testing.core.train.conftest import CONCEPTS
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.pretrained import save_pretrained
from vlp3d_core.train.case_facts import case_facts, from_header
from vlp3d_core.train.config import load_config
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.importers.registry import layout
from vlp3d_core.train.importers.request import Request
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.train.plan_run import MANIFEST, RECIPE, model_name, plan_run

Write = Callable[[Sequence[Case]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A manifest of these cases, beside the run's folder `tmp_path / "run"`."""

    def write(cases: Sequence[Case]) -> Path:
        write_manifest(cases, tmp_path / "m.jsonl")
        return tmp_path / "m.jsonl"

    return write


def test_facts_of_phantoms(heads: list[Case]) -> None:
    first, second = case_facts(heads[:2], CONCEPTS)
    assert first.spacing == pytest.approx((10, 10, 10)) and first.modality == "CT"
    assert set(first.structures) == set(second.structures) == set(CONCEPTS)
    assert first.labelled is not None
    assert all(10 < box < edge for box, edge in zip(first.labelled, first.extent, strict=True))
    bone, gland = first.structures["mandible"], first.structures["parotid_gland_left"]
    assert bone.high is not None and gland.high is not None and bone.high > gland.high + 200
    assert 2_000 < gland.mm3 < 80_000
    assert case_facts(heads[:2], CONCEPTS) == [first, second]


def test_a_planned_run_ends_in_a_model(texts_once: None, manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "My Heads"
    words = [f"concepts=[{','.join(CONCEPTS)}]", "steps=5", "validate_every=5", "batch=2", "precision=32-true"]
    planned = plan_run(manifest, out, words=words)
    assert (planned.manifest, planned.recipe) == (manifest, out / RECIPE)
    config = load_config(planned.recipe)
    assert config.spacing == (10, 10, 10) and config.name == "my-heads" and config.encoder_options["channels"][0] == 8
    bundle = finetune(config, planned.manifest, out)
    assert bundle.concepts == CONCEPTS and bundle.card["spacing"] == [10, 10, 10]

    with pytest.raises(MedVLPError, match="already holds a run"):
        plan_run(manifest, out, words=words)
    resumed = plan_run(manifest, out, resume=True)
    assert load_config(resumed.recipe) == config
    # The recipe's comments and its settings are all that another run needs.
    assert "Planned from 2 volumes" in (out / RECIPE).read_text(encoding="utf-8")
    assert load_config(out / RECIPE) == config


def test_what_every_structure_is_called(manifest: Path, heads: list[Case], tmp_path: Path) -> None:
    config = load_config(plan_run(manifest, tmp_path / "run", words=["label_fraction=0.5"]).recipe)
    assert set(CONCEPTS) < set(config.concepts) <= set(heads[0].labels.values())


def test_subjects_are_held_out_where_nobody_validates(heads: list[Case], write: Write, tmp_path: Path) -> None:
    cases = [replace(c, split="train" if c.split == "validation" else c.split) for c in heads]
    planned = plan_run(write(cases), tmp_path / "run")
    assert planned.manifest == tmp_path / "run" / MANIFEST
    assert "held out from training: head-" in planned.notes[-1]
    made = read_manifest(planned.manifest)
    assert sorted(c.split for c in made) == ["test", "train", "train", "validation"]
    assert next(c for c in made if c.split == "test").subject == "head-3"
    with pytest.raises(MedVLPError, match="one labelled subject"):
        plan_run(write([c for c in cases if c.subject == "head-0"]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_one_modality_at_a_time(heads: list[Case], write: Write, tmp_path: Path) -> None:
    mixed = write([replace(c, modality="MR") if c.subject == "head-1" else c for c in heads])
    with pytest.raises(MedVLPError, match=r"several modalities: 1 of CT, 1 of MR.*modality=CT"):
        plan_run(mixed, tmp_path / "run")
    planned = plan_run(mixed, tmp_path / "run", words=["modality=CT"])
    assert "Left out: 1 of MR." in planned.notes
    assert [c.subject for c in read_manifest(planned.manifest)] == ["head-0", "head-2", "head-3"]
    guessed = write([replace(c, modality="") for c in heads])
    assert load_config(plan_run(guessed, tmp_path / "run").recipe).modality == "CT"
    assert not (tmp_path / "run" / MANIFEST).exists()


def test_names_that_are_no_concepts_are_all_named(heads: list[Case], write: Write, tmp_path: Path) -> None:
    cases = [replace(c, labels={1: "left_kidney", 2: "blorb", 3: "mandible"}) for c in heads]
    with pytest.raises(MedVLPError, match=r"blorb, left_kidney \(kidney_left\?\)\..*concepts=\[mandible\]"):
        plan_run(write(cases), tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["steps=many"], "steps"),
        (["spacing=[1, 2]"], "spacing"),
        (["modality=ct"], "modality must be one of"),
        (["concepts=[blorb]"], "not concepts: blorb"),
        (["encoder_options={width: 3}"], "encoder_options"),
        (["patch=[20, 20, 20]"], "multiples of 8"),
        (["normalisation={kind: nothing, low: 0, high: 1}"], "not a kind"),
        (["anchors=[liver]"], "not in concepts: liver"),
        (["task=classification"], "Name a recipe"),
    ],
)
def test_changes_without_sense_write_nothing(words: list[str], said: str, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises((UsageError, MedVLPError)) as caught:
        plan_run(manifest, tmp_path / "run", words=words)
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A pretraining run of another encoder than the templates have."""
    folder = tmp_path / "gtgm"
    folder.mkdir()
    architecture = {
        "encoder": "residual-unet",
        "encoder_options": {"channels": [4, 8]},
        "text_dimension": 8,
        "dimension": 4,
    }
    card = {
        "architecture": architecture,
        "modality": "CT",
        "spacing": [12.0, 12.0, 12.0],
        "field": [16, 16, 16],
        "normalisation": {"kind": "window", "low": -900, "high": 500},
    }
    save_pretrained(folder, AlignmentModel(**architecture).state_dict(), card)  # type: ignore[arg-type]
    return folder


def test_the_plan_keeps_to_what_pretrained_weights_fit(
    pretrained: Path, heads: list[Case], manifest: Path, write: Write, tmp_path: Path
) -> None:
    planned = plan_run(manifest, tmp_path / "run", init=pretrained)
    config = load_config(planned.recipe)
    assert config.encoder_options == {"channels": [4, 8]} and config.spacing == (12, 12, 12)
    assert config.normalisation == {"kind": "window", "low": -900, "high": 500}
    assert "those of gtgm: its weights fit nothing else." in planned.notes[1]
    assert "--init" in planned.recipe.read_text(encoding="utf-8")
    changed = load_config(plan_run(manifest, tmp_path / "b", words=["spacing=[10, 10, 10]"], init=pretrained).recipe)
    assert changed.spacing == (10, 10, 10) and changed.encoder_options == {"channels": [4, 8]}
    mr = write([replace(c, modality="MR") for c in heads])
    other = load_config(plan_run(mr, tmp_path / "mr", init=pretrained).recipe)
    assert other.spacing == (10, 10, 10) and other.normalisation["kind"] == "percentile"
    assert other.encoder_options == {"channels": [4, 8]}
    with pytest.raises(MedVLPError, match="holds no weights"):
        plan_run(manifest, tmp_path / "c", init=tmp_path)


def test_a_bundle_gives_its_decoder_too(tiny_bundle: Path, manifest: Path, tmp_path: Path) -> None:
    config = load_config(plan_run(manifest, tmp_path / "run", init=tiny_bundle).recipe)
    assert config.encoder_options == {"channels": [16, 16]} and config.dimension == 8
    assert config.spacing == (4, 4, 4)


def test_names_of_folders_become_names_of_models() -> None:
    assert model_name(Path("runs/My Liver (2)")) == "my-liver-2"
    assert model_name(Path("/tmp/Öl")) == "l"
    assert model_name(Path("/tmp/_.é")) == "model"
    assert len(model_name(Path("x" * 200))) == 64


def test_the_hippocampus(shared_data: Path, tmp_path: Path) -> None:
    """MSD's crops of MR are small enough to be seen as they are."""
    from vlp3d_core.train.collect import collect

    if not (folder := shared_data / "hippocampus").is_dir():
        pytest.skip("no hippocampus in the real data")
    cases = [
        replace(c, image=folder / c.image, label=c.label and folder / c.label, modality="MR")
        for c in collect(folder).cases
    ]
    write_manifest(cases, tmp_path / "m.jsonl")
    config = load_config(plan_run(tmp_path / "m.jsonl", tmp_path / "run", words=["label_fraction=0.1"]).recipe)
    assert config.concepts == ("hippocampus_anterior", "hippocampus_posterior")
    assert config.spacing == (1, 1, 1) and config.normalisation["kind"] == "percentile"
    assert all(24 <= n <= 64 for n in config.patch)


def test_the_head_and_neck(shared_data: Path, tmp_path: Path) -> None:
    """OpenKBP at 3.9 to 4.7 x 2.5 mm: small sees the whole region, base the data's own resolution."""
    if not (folder := shared_data / "openkbp").is_dir():
        pytest.skip("no openkbp in the real data")
    few = tmp_path / "openkbp"
    few.mkdir()
    for patient in ("labels.json", "pt_5_*", "pt_14_*", "pt_100_*", "pt_101_*", "pt_103_*", "pt_104_*", "pt_106_*"):
        for file in folder.glob(patient):
            shutil.copy(file, few)
    read = layout("openkbp").read(Request(few, tmp_path / "made"))
    write_manifest(read.cases, tmp_path / "m.jsonl")
    small, base = (load_config(plan_run(tmp_path / "m.jsonl", tmp_path / s, s).recipe) for s in ("small", "base"))
    assert len(small.concepts) == 7 and small.concepts == base.concepts
    own = np.median([from_header(c).spacing for c in read.cases if c.split == "train"], axis=0)
    assert base.spacing == pytest.approx(own, rel=1e-3)
    assert all(own[2] < mm < 8 for mm in small.spacing)
    seen = [n * mm for n, mm in zip(small.patch, small.spacing, strict=True)]
    assert all(150 < mm < 320 for mm in seen)
    low, high = (small.normalisation[end] for end in ("low", "high"))
    assert low <= -100 and 1000 < high < 2000


def test_the_templates_are_plans_and_nothing_else() -> None:
    from vlp3d_core.train.settings import RECIPES

    for size in ("small", "base"):
        text = (RECIPES / f"segment-{size}.yaml").read_text(encoding="utf-8")
        assert set(yaml.safe_load(text)["plan"]) == {"patch_voxels", "seen", "volume_voxels"}
        assert size == "small" or "Not run: no GPU" in " ".join(text.replace("#", "").split())

"""Maps of tissues on their way: manifest, check, store, patches, training, and who refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from Testing.core.train.synthesis.heads import CT, NAMES, head, write_heads
from Testing.core.train.synthesis.heads import settings as synthesis
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.data import IMAGE, LABEL, MADE, PatchDataset
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.inspect import inspect_manifest
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.train.pretrain import pairs_in
from vlp3d_core.train.store import Settings as Kept
from vlp3d_core.train.store import Stored, _key, preprocess
from vlp3d_core.train.synthesis.held_out import check_tissues, made_once
from vlp3d_core.volume.normalise import Normalisation

Settings = Callable[..., FinetuneConfig]
LOOK = {"look": "ct", "tissues": ["muscle", "fat", "liver", "bone_cortical"]}
CONCEPTS = tuple(NAMES.values())


def manifest_of(cases: list[Case], folder: Path) -> Path:
    write_manifest(cases, folder / "maps.jsonl")
    return folder / "maps.jsonl"


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Two to train on and one for validation. Do not change them."""
    return write_heads(tmp_path_factory.mktemp("maps"))


@pytest.fixture(scope="module")
def manifest(maps: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return manifest_of(maps, tmp_path_factory.mktemp("manifest"))


def stored(case: Case, folder: Path, spacing: float = 10.0) -> Stored:
    return preprocess([case], folder, CONCEPTS, (spacing,) * 3, Normalisation.from_json(CT))[0]


def test_a_line_says_what_its_image_is(maps: list[Case], manifest: Path) -> None:
    assert read_manifest(manifest, tissues=True) == maps
    assert [json.loads(line)["made_from"] for line in manifest.read_text().splitlines()] == ["tissues"] * 3
    with pytest.raises(MedVLPError, match=r"Line 1 of .* names a map of tissues and no scan: .*0-tissues"):
        read_manifest(manifest)
    assert read_manifest(manifest, ("test",)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"made_from": "dough"}, "is made from 'dough'"), ({"label": None}, "has tissues and no label map")],
)
def test_a_line_without_sense(maps: list[Case], tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MedVLPError, match=f"Line 1 of .* {reason}"):
        read_manifest(manifest_of([replace(maps[0], **change)], tmp_path), tissues=True)


def test_check_opens_them_as_what_they_are(maps: list[Case], manifest: Path, tmp_path: Path) -> None:
    cases, remarks = inspect_manifest(manifest)
    assert cases == maps and remarks == []
    nib.save(nib.Nifti1Image(np.full((5, 5, 5), 256, np.int16), np.eye(4)), tmp_path / "many.nii.gz")
    nib.save(nib.Nifti1Image(np.full((5, 5, 5), 0.5, np.float32), np.eye(4)), tmp_path / "scan.nii.gz")
    wrong = [replace(maps[n], image=tmp_path / name) for n, name in enumerate(("many.nii.gz", "scan.nii.gz"))]
    _, remarks = inspect_manifest(manifest_of(wrong, tmp_path))
    assert [r.text for r in remarks if r.level == "error"] == [
        "The file is no map of tissues: it holds values up to 256. Number the tissues 1 to 255.",
        "The file is not a label map: it holds fractional values. Label values are whole numbers.",
    ]


def test_pretraining_and_evaluation_refuse_them(manifest: Path, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(MedVLPError, match="names a map of tissues and no scan"):
        pairs_in(manifest)
    command = ["evaluate", "segmentation", "--manifest", str(manifest), "--model", "ct-head-neck", "--split", "train"]
    assert main(command) != 0
    assert "names a map of tissues and no scan" in capsys.readouterr().err


def test_a_segmentation_without_synthesis_refuses_them(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match=r"recipe has the setting synthesis"):
        finetune(settings(), manifest, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_they_are_stored_as_labels_are(maps: list[Case], tmp_path: Path) -> None:
    kept = stored(maps[0], tmp_path)
    tissues, labels = (array[0].numpy() for array in head())
    assert kept.image.dtype == np.uint8 and kept.image.shape == kept.label.shape
    assert np.array_equal(np.bincount(kept.image[:].ravel())[1:], np.bincount(tissues.ravel())[1:])
    assert np.array_equal(np.unique(tissues[labels == 1]), np.unique(kept.image[:][kept.label[:] == 1]))
    halved = stored(maps[0], tmp_path, spacing=20.0)
    assert set(np.unique(halved.image[:])) <= {0, 1, 2, 3, 4}, "no value between two tissues"
    other = Kept((), (10.0, 10.0, 10.0), Normalisation.from_json(CT))
    assert _key(maps[0], other) != _key(replace(maps[0], made_from=""), other), "in a cache it is not taken for a scan"


def test_patches_reach_into_air(maps: list[Case], tmp_path: Path) -> None:
    cases = [stored(case, tmp_path) for case in maps]
    items = PatchDataset(cases, (48, 48, 48), 12, {2: 3, 3: 2}, seed=0)
    for item in (items[n] for n in range(12)):
        assert item[MADE] and set(item[IMAGE].unique().tolist()) == {0, 1, 2, 3, 4}
        assert (item[IMAGE][0][item[LABEL] == 1] == 2).all() and (item[IMAGE][0][item[LABEL] >= 2] == 3).all()
    scan = replace(cases[0], case=replace(cases[0].case, made_from=""))
    assert not PatchDataset([scan], (8, 8, 8), 1, {}, seed=0)[0][MADE]


def test_images_to_validate_on_are_made_once(maps: list[Case], tmp_path: Path) -> None:
    cases = [stored(case, tmp_path) for case in maps]
    cases[1] = replace(cases[1], case=replace(cases[1].case, made_from=""))
    look = synthesis(**LOOK)
    first, again, other = made_once(cases, look, 0), made_once(cases, look, 0), made_once(cases, look, 1)
    assert first[1] is cases[1], "a scan stays as it is"
    for n in (0, 2):
        assert first[n].image.dtype == np.float16 and np.abs(first[n].image[:]).max() <= 1
        assert np.array_equal(first[n].image, again[n].image) and np.array_equal(first[n].label, again[n].label)
        assert not np.array_equal(first[n].image, other[n].image)


def test_a_tissue_without_hu_is_named(maps: list[Case], tmp_path: Path) -> None:
    cases = [stored(case, tmp_path) for case in maps]
    check_tissues(cases, synthesis(**LOOK))
    check_tissues(cases, synthesis())
    with pytest.raises(MedVLPError, match=r"0-tissues\.nii\.gz has the tissue 4, and the recipe names 2"):
        check_tissues(cases, synthesis(look="ct", tissues=["fat", "liver"]))


def losses_of(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    losses: dict[int, float] = {}
    original = TextQueriedSegmentation.training_step

    def step(self: TextQueriedSegmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        loss = original(self, batch, index)
        losses[self.global_step] = loss.item()
        return loss

    monkeypatch.setattr(TextQueriedSegmentation, "training_step", step)
    return losses


def test_scans_and_maps_are_learnt_together_and_a_stopped_run_goes_on(
    heads: list[Case], maps: list[Case], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both kinds are in both splits; the losses after a stop, and the scores, are those of an unbroken run."""
    both = manifest_of([*heads[:3], *maps], tmp_path)
    config = settings(synthesis=LOOK, steps=6, batch=3)
    losses = losses_of(monkeypatch)
    finetune(config, both, tmp_path / "unbroken")
    unbroken = dict(losses)
    losses.clear()
    with pytest.raises(MedVLPError, match="after step 3 is saved"):
        finetune(config, both, tmp_path / "run", cancel=lambda: len(losses) == 3)
    finetune(config, both, tmp_path / "run", resume=True)
    assert sorted(losses) == list(range(6)) and losses == pytest.approx(unbroken, abs=1e-6)
    assert scores(tmp_path / "run") == pytest.approx(scores(tmp_path / "unbroken"), abs=1e-6)


def scores(run: Path) -> list[float]:
    rows = [line.split(",") for line in (run / "csv" / "metrics.csv").read_text().splitlines()]
    column = rows[0].index("val_dice")
    found = [float(row[column]) for row in rows[1:] if row[column]]
    assert found
    return found

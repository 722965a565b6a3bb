"""`vlp3d evaluate refusal` with the tiny model: toy heads against heads without its anchors and against MR."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from Testing.core.cli.conftest import Run
from Testing.core.tiny import FAT, toy_grid, toy_head, toy_labels
from vlp3d_core import load_model, read_volume
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

SKULL, BRAINSTEM = 7, 4


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three heads for validation, and one for the test, at different places in the scanner."""
    cases = []
    for number in range(4):
        head, path = toy_head(), tmp_path / "heads" / f"{number}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        moved = head.affine.copy()
        moved[:3, 3] += (10 * number, 0, -30 * number)
        write_volume(Volume(head.array, moved), path)
        cases.append(Case(path, f"s{number}", "test" if number == 3 else "validation", modality="CT"))
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A CT without an anchor, one with a lone one in a wrong size, an MR, and a label map, which is no volume."""
    labels, head, folder = toy_labels(toy_grid()), toy_head(), tmp_path / "others"
    for name in ("CT", "MR"):
        (folder / name).mkdir(parents=True)
    nothing = np.where(np.isin(labels, [SKULL, BRAINSTEM]), np.float32(FAT), head.array)
    write_volume(head.with_array(nothing), folder / "CT" / "knee.nii.gz")
    lone = nothing.copy()
    lone[20, 20, 20] = 50  # as bright as a brainstem, a hundredth of its size
    write_volume(head.with_array(lone), folder / "CT" / "hip.nii.gz")
    write_volume(head.with_array(np.abs(head.array)), folder / "MR" / "head.nii.gz")
    write_volume(head.with_array(labels.astype(np.float32)), folder / "MR" / "other.nii.gz")
    return folder


def test_tuned_on_validation_and_measured_on_test(
    vlp3d: Run, manifest: Path, others: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(tiny_bundle, tmp_path / "ct-own"))
    command = ("evaluate", "refusal", "--model", own, "--manifest", manifest, "--others", others)
    tuned = vlp3d(*command, "--split", "validation", "--write", "--json").json
    assert (tuned["inside"], tuned["kept"]) == (3, 3)
    rows = {row["kind"]: row for row in tuned["rows"]}
    assert set(rows) == {"all others", "CT CT", "MR (modality not said)"}
    assert all(row["auroc"] == 1 and row["refused"] == row["volumes"] for row in rows.values())
    assert (rows["CT CT"]["by_modality"], rows["MR (modality not said)"]["by_modality"]) == (0, 1)
    field = read_bundle(own).card["field"]
    assert set(field["layout"]["anchors"]) == {"skull", "brainstem"} and 0.1 < field["anchor_score"] < 0.9
    assert field["extent"]["least"] == field["extent"]["most"] == pytest.approx([160, 152, 144], abs=16)
    done = vlp3d(*command, "--write", "-o", tmp_path / "scores.json")
    assert done.code == 0 and "1 volumes of the field, 1 of them taken" in done.out and "label map" in done.err
    assert len(json.loads((tmp_path / "scores.json").read_text())["volumes"]) == 4
    bundle = read_bundle(own)
    assert bundle.card["field"] == field, "the test split tunes nothing"
    assert set(bundle.card["refusal"]) == {"validation", "test"} and "## Refusal: test" in card_page(bundle)
    before, after = (load_model(f, "cpu").encode(read_volume(others / "CT" / "hip.nii.gz")) for f in (tiny_bundle, own))
    assert before.labels.any() and not after.labels.any(), "a speck is no brainstem"


def test_what_it_refuses(vlp3d: Run, manifest: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    command = ("evaluate", "refusal", "--model", tiny_bundle, "--manifest", manifest, "--others")
    done = vlp3d(*command, tmp_path / "heads")
    assert done.code == 1 and "0 others" in done.err, "volumes of the manifest are no others"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = vlp3d(*command, empty)
    assert done.code == 1 and "holds no volume" in done.err

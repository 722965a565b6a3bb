"""Without --model: two models for CT whose anchors differ, and one for MR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Testing.core.cli.conftest import Run, refused
from Testing.core.tiny import BANDS, FAT, toy_grid, toy_head, toy_labels, write_tiny_bundle
from vlp3d_core.model import registry
from vlp3d_core.volume.write_image import write_volume

MANDIBLE, BRAINSTEM, SKULL = 6, 4, 7


@pytest.fixture(autouse=True)
def models(vlp3d: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing but these: ct-skull (skull, brainstem), ct-jaw (mandible) and mr-tiny."""
    folder = tmp_path / "models"
    write_tiny_bundle(folder / "ct-skull", name="ct-skull")
    write_tiny_bundle(folder / "ct-jaw", name="ct-jaw", field={"anchors": ["mandible"]}, spacing=[4.0, 4.0, 4.1])
    write_tiny_bundle(folder / "mr-tiny", name="mr-tiny", modality="MR")
    monkeypatch.setattr(registry, "folders", lambda: [folder])
    return folder


def scan_without(path: Path, *values: int) -> Path:
    """The toy head without some of its structures."""
    head = toy_head()
    write_volume(head.with_array(np.where(np.isin(toy_labels(toy_grid()), values), np.float32(FAT), head.array)), path)
    return path


def test_content_decides_between_models_of_one_modality(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    jaw = scan_without(tmp_path / "jaw.nii.gz", BRAINSTEM, SKULL)
    done = vlp3d("segment", jaw, "-o", out / "o.nii.gz", "--json")
    assert done.code == 0 and done.json["model"] == "ct-jaw"
    assert "ct-jaw: CT, spacing 4 x 4 x 4.1 mm, mandible found." in done.json["notes"]
    skull = scan_without(tmp_path / "skull.nii.gz", MANDIBLE)
    done = vlp3d("find", skull, "brainstem", "--json")
    assert done.json["model"] == "ct-skull" and len(done.json["regions"]) == 1
    assert "note: ct-skull: CT, spacing 4 x 4 x 4 mm, skull and brainstem found." in done.err


def test_one_that_remains_is_not_run_twice(vlp3d: Run, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp3d_core.predict.choose._look", lambda *a: pytest.fail("the rules had decided"))
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--modality", "MR", "--json")
    assert done.json["model"] == "mr-tiny"
    assert "mr-tiny: MR, spacing 4 x 4 x 4 mm, the only one that may fit." in done.json["notes"]


def test_only_models_that_know_what_is_asked_for(vlp3d: Run, models: Path, scan: Path, out: Path) -> None:
    liver = [{"id": "liver" if name == "trachea" else name} for name in BANDS]
    write_tiny_bundle(models / "ct-jaw", name="ct-jaw", concepts=liver, field={"anchors": []})
    done = vlp3d("find", scan, "flurbotron")
    refused(done, 2, "no known structure", out)
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--structures", "liver", "--json")
    assert done.code == 0 and done.json["model"] == "ct-jaw"


def test_nothing_fits(vlp3d: Run, scan: Path, tmp_path: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--modality", "PT")
    refused(done, 1, "No installed model fits this volume (PT, spacing 4 x 4 x 4 mm, 168 x 160 x 152 mm in all)", out)
    for need in ("ct-skull CT, about 4 x 4 x 4 mm, with skull or brainstem", "mr-tiny MR"):
        assert need in done.err
    leg = scan_without(tmp_path / "leg.nii.gz", MANDIBLE, BRAINSTEM, SKULL)
    done = vlp3d("segment", leg, "-o", out / "o.nii.gz")
    refused(done, 1, "None of the models ct-skull, ct-jaw finds in this volume what it was made for.", out)
    assert "mr-tiny" not in done.err


def test_a_model_that_takes_everything_is_the_last_resort(vlp3d: Run, models: Path, tmp_path: Path, out: Path) -> None:
    write_tiny_bundle(models / "ct-any", name="ct-any", field={"anchors": []})
    leg = scan_without(tmp_path / "leg.nii.gz", MANDIBLE, BRAINSTEM, SKULL)
    assert vlp3d("segment", leg, "-o", out / "o.nii.gz", "--json").json["model"] == "ct-any"
    head = scan_without(tmp_path / "head.nii.gz")
    assert vlp3d("segment", head, "-o", out / "o.nii.gz", "--json").json["model"] in ("ct-skull", "ct-jaw")


def test_what_no_model_was_trained_on_is_nobodys_fault(vlp3d: Run, scan: Path, out: Path) -> None:
    for words in (("find", scan, "liver"), ("segment", scan, "-o", out / "o.nii.gz", "--structures", "liver")):
        done = vlp3d(*words)
        refused(done, 2, "No installed model was trained on liver.", out)
        assert "vlp3d models" in done.err and "ct-skull" not in done.err

"""`vlp3d segment` and `models` with a model of instances: files, tables, and what a label map and Slicer get."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from Testing.core.cli.conftest import Run
from Testing.core.tiny_em import BORDER, brick_volume, bricks, write_tiny_em
from vlp3d_core.evaluate.instances import score_instances
from vlp3d_core.volume.write_image import write_volume


@pytest.fixture
def em(tmp_path: Path) -> Path:
    write_volume(brick_volume(), tmp_path / "block.nrrd")
    return tmp_path / "block.nrrd"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """As `vlp3d finetune` leaves it."""
    return write_tiny_em(tmp_path / "run" / "bundle").folder.parent


def test_label_maps_and_tables(vlp3d: Run, em: Path, run_folder: Path, out: Path) -> None:
    table = out / "rows.csv"
    done = vlp3d("segment", em, "-o", out / "all.nii.gz", "--model", run_folder, "--table", table, "--json")
    assert done.code == 0 and len(done.json["labels"]) == 12
    labels = np.asarray(nib.load(out / "all.nii.gz").dataobj)
    assert score_instances(labels, bricks()).voi < 0.02
    first = done.json["labels"][0]
    assert (first["name"], first["instance"], first["found"]) == ("Neurite 1", 1, True)
    voxels = int(np.count_nonzero(labels == 1))
    assert first["volume_um3"] == pytest.approx(voxels * 0.008**3, rel=1e-3) and len(first["centre_ras_mm"]) == 3
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and float(rows[0]["volume_um3"]) == pytest.approx(first["volume_um3"], rel=1e-3)
    assert [float(rows[0][f"{axis}_mm"]) for axis in "ras"] == pytest.approx(first["centre_ras_mm"])
    assert vlp3d("segment", em, "-o", out / "all.nrrd", "--model", run_folder).code == 0
    same = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "all.nrrd"))).T
    assert np.array_equal(same, labels) and json.loads((out / "all.json").read_text(encoding="utf-8"))["labels"]


def test_segments_for_slicer(vlp3d: Run, em: Path, run_folder: Path, out: Path) -> None:
    done = vlp3d("segment", em, "-o", out / "o.seg.nrrd", "--model", run_folder, "--instances", "5")
    assert done.code == 0 and "5 instances" in done.out and "µm³" in done.out
    assert "12 instances were found; the 5 largest are kept" in done.err
    image = sitk.ReadImage(str(out / "o.seg.nrrd"))
    fields = [{k: image.GetMetaData(f"Segment{n}_{k}") for k in ("ID", "Name", "Color", "Tags")} for n in range(5)]
    assert [(f["ID"], f["Name"]) for f in fields] == [(f"neurite_{n}", f"Neurite {n}") for n in range(1, 6)]
    assert len({f["Color"] for f in fields}) == 5 and all("99VLP^neurite^Neurite" in f["Tags"] for f in fields)
    assert not image.HasMetaDataKey("Segment5_ID")
    assert vlp3d("segment", em, "-o", out / "o.seg.nrrd", "--model", run_folder, "--instances", "some").code == 2


def test_find(vlp3d: Run, em: Path, run_folder: Path) -> None:
    done = vlp3d("find", em, "neurites", "--model", run_folder, "-k", "2")
    assert done.code == 0 and "Neurite 1" in done.out and "Neurite 2" in done.out and "µm³" in done.out
    done = vlp3d("find", em, "membrane", "--model", run_folder)
    assert done.code == 2
    assert "was not trained on cell membrane." in done.err and "it knows: neurite" in done.err


def test_membranes(vlp3d: Run, em: Path, out: Path) -> None:
    folder = write_tiny_em(out / "em", **BORDER).folder
    done = vlp3d("segment", em, "-o", out / "m.seg.nrrd", "--model", folder, "--structures", "membrane")
    assert done.code == 0 and "Cell membrane  yes" in done.out and "µm³" in done.out and "1 of 1 found" in done.out
    image = sitk.ReadImage(str(out / "m.seg.nrrd"))
    assert image.GetMetaData("Segment0_ID") == "membrane" and not image.HasMetaDataKey("Segment1_ID")
    membranes = sitk.GetArrayFromImage(image)
    assert 0.1 < (membranes > 0).mean() < 0.5
    for asked in ([], ["--structures", "neurite, membrane"]):
        done = vlp3d("segment", em, "-o", out / "both.nrrd", "--model", folder, *asked)
        assert done.code == 0 and "12 instances" in done.out and "Cell membrane: left out" in done.err
    done = vlp3d("find", em, "membrane", "--model", folder, "-o", out / "found.nrrd")
    assert done.code == 0 and "Cell membrane" in done.out
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(out / "found.nrrd"))) > 0, membranes > 0)


def test_added_and_exported(vlp3d: Run, run_folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp3d_core.model.registry.user_data_path", lambda *_, **__: out / "home")
    bundle = run_folder / "bundle"
    assert vlp3d("models", "export", bundle, "--format", "bundle", "-o", out / "em.zip").code == 0
    assert vlp3d("models", "add", out / "em.zip", "--yes").code == 0
    listed = {row["name"]: row for row in vlp3d("models", "--json").json["models"]}
    assert listed["em-tiny"]["modality"] == "EM" and listed["em-tiny"]["problem"] is None
    assert "affinities" in vlp3d("models", "em-tiny", "--markdown").out
    refused = vlp3d("models", "export", "em-tiny", "--format", "monai", "-o", out / "monai")
    assert refused.code == 1 and "needs more than its network" in refused.err

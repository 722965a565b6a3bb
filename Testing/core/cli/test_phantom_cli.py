"""`vlp3d phantom`: the files on disk are the phantom in memory."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import vlp3d_core.phantom
from vlp3d_core import read_volume
from vlp3d_core.cli.main import main
from vlp3d_core.phantom import Phantom, make_em, make_phantom
from vlp3d_core.text.report import parse_report


@pytest.fixture(autouse=True)
def small_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse ones: what is tested is the way to the disk."""
    monkeypatch.setattr(vlp3d_core.phantom, "make_phantom", coarse)

    monkeypatch.setattr(vlp3d_core.phantom, "make_em", block)


@cache
def coarse(seed: int, region: str, **look: str) -> Phantom:
    return make_phantom(seed, region, spacing=(8.0, 8.0, 8.0), **look)


@cache
def block(seed: int, spacing: tuple[float, ...] | None = None) -> Phantom:
    return make_em(seed, spacing, (40, 40, 40))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_the_image_is_the_phantom(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a fünf{ending}"
    assert main(["phantom", "-o", str(path), "--seed", "5"]) == 0
    volume, phantom = read_volume(path, modality="CT"), coarse(5, "trunk")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    # The reader may turn the axes: compare at the same places of the patient.
    indices = np.indices(volume.shape).reshape(3, -1)[:, ::97]
    places = volume.affine[:3, :3] @ indices + volume.affine[:3, 3:]
    inverse = np.linalg.inv(phantom.volume.affine)
    there = inverse[:3, :3] @ places + inverse[:3, 3:]
    assert np.abs(there - np.rint(there)).max() < 1e-3
    i, j, k = np.rint(there).astype(int)
    assert np.abs(volume.array[tuple(indices)] - phantom.volume.array[i, j, k]).max() <= 0.5


def test_labels_with_names(tmp_path: Path) -> None:
    labels = tmp_path / "labels.nii.gz"
    assert main(["phantom", "-o", str(tmp_path / "ct.nii.gz"), "--labels", str(labels), "--region", "head-neck"]) == 0
    phantom = coarse(0, "head-neck")
    written = nibabel.load(labels)
    assert np.array_equal(np.asarray(written.dataobj), phantom.labels)
    assert np.allclose(written.affine, phantom.volume.affine, atol=1e-3)
    rows = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))["labels"]
    assert {row["value"]: row["concept"] for row in rows} == phantom.values
    assert all(row["found"] for row in rows)


def test_labels_as_slicer_segmentation(tmp_path: Path) -> None:
    labels = tmp_path / "labels.seg.nrrd"
    assert main(["phantom", "-o", str(tmp_path / "ct.nii.gz"), "--labels", str(labels)]) == 0
    image = sitk.ReadImage(str(labels))
    assert image.GetSize() == coarse(0, "trunk").labels.shape
    assert image.GetMetaData("Segment0_Name")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", "-o", str(tmp_path / "ct.nii.gz"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    phantom = coarse(0, "trunk")
    assert tuple(result["shape"]) == phantom.volume.shape
    assert {row["concept"] for row in result["structures"]} <= set(phantom.values.values())
    assert len(result["structures"]) > 5
    assert len(result["facts"]) == len(phantom.facts) > 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-o", "ct.png"], 2),
        (["-o", "ct.nii.gz", "--labels", "ct.nii.gz"], 2),
        (["-o", "ct.nii.gz", "--seed", "-1"], 2),
        (["-o", "ct.nii.gz", "--region", "leg"], 2),
        (["-o", "ct.nii.gz", "--contrast", "T1"], 2),
        (["-o", "mr.nii.gz", "--modality", "MR", "--contrast", "T9"], 2),
        (["-o", "em.nii.gz", "--modality", "EM", "--region", "head-neck"], 2),
        (["-o", "em.nii.gz", "--modality", "EM", "--spacing", "3"], 2),
        (["studies", "-o", "s", "--contrast", "T1"], 2),
        (["-o", "missing/ct.nii.gz"], 1),
        (["-o", "ct.nii.gz", "--labels", "missing/labels.nii.gz"], 1),
        (["-o", "ct.nii.gz", "--labels", "labels.png"], 2),
        ([], 2),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    arguments: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["phantom", *arguments]) == code
    assert capsys.readouterr().err.startswith("vlp3d: error: ")
    assert list(tmp_path.iterdir()) == []


def test_studies_with_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["phantom", "studies", "-n", "2", "--seed", "9", "--spacing", "9", "-o", str(tmp_path / "s"), "--json"]
    assert main(command) == 0
    out = json.loads(capsys.readouterr().out)
    rows = [json.loads(line) for line in Path(out["manifest"]).read_text().splitlines()]
    assert all("FINDINGS:" in row["report"] for row in rows)
    assert all((tmp_path / "s" / row[key]).is_file() for row in rows for key in ("image", "label"))


def test_n_is_for_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", "-n", "3", "-o", str(tmp_path / "a.nii.gz")]) == 2
    assert "-n is for studies" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"), [(["MR", "--contrast", "T2"], "MR T2, "), (["EM", "--spacing", "1.2e-5"], "voxels of 12.00 x")]
)
def test_other_looks(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, labels = tmp_path / "x.nii.gz", tmp_path / "l.nii.gz"
    assert main(["phantom", "-o", str(image), "--labels", str(labels), "--modality", *options]) == 0
    assert said in capsys.readouterr().out
    volume = read_volume(image)
    made = coarse(0, "trunk", modality="MR", contrast="T2") if options[0] == "MR" else block(0, (1.2e-5,) * 3)
    assert volume.spacing == pytest.approx(made.volume.spacing, rel=1e-4)
    assert np.array_equal(volume.array, made.volume.array)
    assert volume.modality == ("EM" if options[0] == "EM" else "")
    assert np.array_equal(np.asarray(nibabel.load(labels).dataobj), made.labels)


@pytest.mark.parametrize("options", [["MR", "--contrast", "T1"], ["MR"], ["EM"]])
def test_studies_of_other_looks_pass_the_check(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    spacing = "9" if options[0] == "MR" else "8e-6"
    command = ["phantom", "studies", "-n", "1", "--seed", "9", "--spacing", spacing, "-o", str(folder)]
    assert main([*command, "--modality", *options]) == 0
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert {row["modality"] for row in rows} == {options[0]}
    assert all(parse_report(row["report"]).modality == options[0] for row in rows)
    assert all(parse_report(row["report"]).contrast == "T1" for row in rows if len(options) > 1)
    capsys.readouterr()
    assert main(["manifest", "check", str(folder / "manifest.jsonl"), "--json"]) == 0
    assert "error" not in {r["level"] for r in json.loads(capsys.readouterr().out)["remarks"]}

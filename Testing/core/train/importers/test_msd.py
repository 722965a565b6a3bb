"""The Decathlon: names of labels in all ten tasks, one channel of several, splits, and what is refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from Testing.core.train.importers.made import build, image, labels, request, text
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.train.importers import msd
from vlp3d_core.volume.read import read_volume

TASKS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], dict[int, str], str]] = {
    "Task01_BrainTumour": ("BRATS", ("FLAIR", "T1w", "t1gd", "T2w"),
                           ("edema", "non-enhancing tumor", "enhancing tumour"),
                           {1: "brain_edema", 2: "brain_tumor", 3: "brain_tumor"}, "MR"),
    "Task02_Heart": ("Left atrium", ("MRI",), ("left atrium",), {1: "heart_atrium_left"}, "MR"),
    "Task03_Liver": ("LITS", ("CT",), ("liver", "cancer"), {1: "liver", 2: "liver_tumor"}, "CT"),
    "Task04_Hippocampus": ("Hippocampus", ("MRI",), ("Anterior", "Posterior"),
                           {1: "hippocampus_anterior", 2: "hippocampus_posterior"}, "MR"),
    "Task05_Prostate": ("PROSTATE", ("T2", "ADC"), ("PZ", "TZ"), {1: "prostate", 2: "prostate"}, "MR"),
    "Task06_Lung": ("Lung", ("CT",), ("cancer",), {1: "lung_tumor"}, "CT"),
    "Task07_Pancreas": ("Pancreas", ("CT",), ("pancreas", "cancer"), {1: "pancreas", 2: "pancreas_tumor"}, "CT"),
    "Task08_HepaticVessel": ("HepaticVessel", ("CT",), ("Vessel", "Tumour"),
                             {1: "liver_vessels", 2: "liver_tumor"}, "CT"),
    "Task09_Spleen": ("Spleen", ("CT",), ("spleen",), {1: "spleen"}, "CT"),
    "Task10_Colon": ("Colon", ("CT",), ("colon cancer primaries",), {1: "colon_tumor"}, "CT"),
}  # fmt: skip


def about(task: str, names: list[str], tests: list[str] | None = None) -> dict[str, Any]:
    title, channels, parts, _, _ = TASKS[task]
    return {
        "name": title,
        "modality": {str(n): name for n, name in enumerate(channels)},
        "labels": {"0": "background", **{str(n): name for n, name in enumerate(parts, 1)}},
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names],
        "test": [f"./imagesTs/{n}.nii.gz" for n in tests or []],
    }


def write_task(folder: Path, task: str, names: list[str], tests: list[str] | None = None) -> Path:
    content = about(task, names, tests)
    for name in names:
        image(folder / f"imagesTr/{name}.nii.gz", len(content["modality"]))
        labels(folder / f"labelsTr/{name}.nii.gz", *(int(n) for n in content["labels"] if n != "0"))
        image(folder / f"imagesTr/._{name}.nii.gz")  # as the archives hold them
    for name in tests or []:
        image(folder / f"imagesTs/{name}.nii.gz", len(content["modality"]))
    text(folder / "dataset.json", json.dumps(content))
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_names_and_modality_of_every_task(tmp_path: Path, task: str) -> None:
    channels, expected, modality = TASKS[task][1], *TASKS[task][3:]
    cases, notes = build("msd", write_task(tmp_path / task, task, ["a_1"]))
    (case,) = cases.values()
    assert (case.labels, case.modality, case.subject) == (expected, modality, "a_1")
    assert case.contoured == tuple(dict.fromkeys(expected.values())), "what has no voxel is known to be absent"
    assert (tmp_path / f"{task}-volumes").exists() == (len(channels) > 1)
    assert notes.startswith(f"{task}: the channel {channels[0]} was written out") == (len(channels) > 1)


def test_splits_and_hidden_labels(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "t", "Task09_Spleen", [f"spleen_{n}" for n in range(10)], ["spleen_77"])
    cases, notes = build("msd", folder)
    assert Counter(c.split for c in cases.values() if c.label) == {"train": 6, "validation": 2, "test": 2}
    hidden = cases["spleen_77.nii.gz"]
    assert (hidden.split, hidden.label, hidden.labels, hidden.contoured) == ("test", None, {}, None)
    assert "1 volumes of imagesTs have no labels" in notes
    again, _ = build("msd", folder, seed=3)
    assert {n: c.split for n, c in again.items()} != {n: c.split for n, c in cases.items()}


def test_several_tasks_at_once_are_split_each_for_itself(tmp_path: Path) -> None:
    for task in ("Task02_Heart", "Task09_Spleen"):
        write_task(tmp_path / "all" / task, task, [f"{task}_{n}" for n in range(3)])
    cases, _ = build("msd", tmp_path / "all")
    assert Counter((c.modality, c.split) for c in cases.values()) == {
        (modality, split): 1 for modality in ("CT", "MR") for split in ("train", "validation", "test")
    }


@pytest.mark.parametrize(("wanted", "index", "name"), [("", 0, "FLAIR"), ("t1GD", 2, "t1gd")])
def test_one_channel_of_several(tmp_path: Path, wanted: str, index: int, name: str) -> None:
    folder = write_task(tmp_path / "Task01_BrainTumour", "Task01_BrainTumour", ["BRATS_001"])
    cases, notes = build("msd", folder, channel=wanted)
    written = cases[f"BRATS_001-{name}.nii.gz"].image
    source = nib.load(folder / "imagesTr/BRATS_001.nii.gz")
    volume = read_volume(written)
    assert np.array_equal(volume.array, np.asarray(source.dataobj)[..., index])
    assert np.allclose(volume.affine, source.affine) and volume.spacing == (2, 2, 3)
    assert f"the channel {name} was written out" in notes


def test_conversion_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "t", "Task05_Prostate", ["prostate_00", "prostate_01"])
    told: list[float] = []
    with pytest.raises(Cancelled):
        msd.read(request(folder, progress=lambda _, part: told.append(part), cancel=lambda: len(told) == 1))
    (first,) = (tmp_path / "t-volumes").rglob("*.nii.gz")
    before = first.stat().st_mtime_ns
    cases, _ = build("msd", folder)
    assert len(cases) == 2 and told == [0.5] and first.stat().st_mtime_ns == before
    os.utime(folder / "imagesTr/prostate_00.nii.gz")  # another download
    build("msd", folder)
    assert first.stat().st_mtime_ns > before


def test_labels_without_a_concept_stay_unnamed(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "t", "Task03_Liver", ["x"])
    content = about("Task03_Liver", ["x"])
    content["labels"]["2"] = "sea monster"
    text(folder / "dataset.json", json.dumps(content))
    cases, notes = build("msd", folder)
    assert cases["x.nii.gz"].labels == {1: "liver"} and "no concept for the labels 2 (sea monster)" in notes


def bad(folder: Path, change: dict[str, Any]) -> Path:
    write_task(folder, "Task05_Prostate", ["x"])
    return text(folder / "dataset.json", json.dumps(about("Task05_Prostate", ["x"]) | change)).parent


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"training": [{"image": "imagesTr/y.nii.gz", "label": "labelsTr/y.nii.gz"}]}, "y.nii.gz, which is missing"),
        ({"training": [{"image": "../x.nii.gz", "label": "l"}]}, "lies outside"),
        ({"training": [{"image": "/etc/passwd", "label": "l"}]}, "lies outside"),
        ({"training": "x"}, "does not list modality, labels and training"),
        ({"labels": {"background": 0, "liver": 1}}, "does not list modality, labels and training"),
        ({"modality": {}}, "lists no volumes"),
        ({"training": []}, "lists no volumes"),
        ({"modality": {"0": "T2", "1": "ADC", "2": "x"}, "labels": {}}, None),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, change: dict[str, Any], reason: str | None) -> None:
    folder = bad(tmp_path / "t", change)
    if reason is None:  # a volume with fewer channels than listed
        with pytest.raises(MedVLPError, match="shape"):
            msd.read(request(folder, channel="x"))
        return
    with pytest.raises(MedVLPError) as caught:
        msd.read(request(folder))
    assert reason in str(caught.value)


def test_a_damaged_volume_and_an_unknown_channel(tmp_path: Path) -> None:
    folder = bad(tmp_path / "t", {})
    with pytest.raises(UsageError, match=r"no channel 'FLAIR'.*T2, ADC"):
        msd.read(request(folder, channel="FLAIR"))
    path = folder / "imagesTr/x.nii.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MedVLPError, match="cannot be read as NIfTI"):
        msd.read(request(folder))
    assert list((tmp_path / "t-volumes").rglob("*.nii.gz")) == [], "no half file"


def test_real_volumes_of_task_04(shared_data: Path, tmp_path: Path) -> None:
    """Six of them, in the layout that they were published in."""
    home = shared_data / "hippocampus"
    names = sorted(p.name.removesuffix(".nii.gz") for p in (home / "images").glob("*.nii.gz"))[:6]
    folder = tmp_path / "Task04_Hippocampus"
    for theirs, ours in (("images", "imagesTr"), ("labels", "labelsTr")):
        (folder / ours).mkdir(parents=True)
        for name in names:
            (folder / ours / f"{name}.nii.gz").symlink_to(home / theirs / f"{name}.nii.gz")
    text(folder / "dataset.json", json.dumps(about("Task04_Hippocampus", names)))
    cases, notes = build("msd", folder)
    assert [c.subject for c in cases.values()] == names and notes == ""
    assert {c.split for c in cases.values()} == {"train", "validation", "test"}
    assert all(c.labels == {1: "hippocampus_anterior", 2: "hippocampus_posterior"} for c in cases.values())

"""A manifest from a folder: what is an image, its labels, its patient, its report; and what a check finds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import collect, subject_of, with_splits
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.inspect import Remark, grouped, inspect_manifest
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.train.reports_csv import Reports
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume

DATA = Path(os.environ.get("MEDVLP_DATA", Path(__file__).parents[4] / "shared" / "data"))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"-")
    return folder


def images_of(folder: Path) -> dict[str, tuple[str, str | None]]:
    return {str(c.image): (c.subject, str(c.label) if c.label else None) for c in collect(folder).cases}


def test_names_beside_each_other(tmp_path: Path) -> None:
    touch(tmp_path, "pt_1_ct.nii.gz", "pt_1_organs.nii.gz", "pt_1_targets.nii.gz", "pt_2_ct.nii.gz", "notes.txt")
    (tmp_path / "labels.json").write_text('{"1": "brainstem", "2": "mandible", "_": "x"}')
    assert images_of(tmp_path) == {
        "pt_1_ct.nii.gz": ("pt_1", "pt_1_organs.nii.gz"),
        "pt_2_ct.nii.gz": ("pt_2", None),
    }
    collected = collect(tmp_path)
    assert collected.cases[0].labels == {1: "brainstem", 2: "mandible"} and collected.cases[0].modality == "CT"
    assert any("pt_1_targets.nii.gz is a second label map" in note for note in collected.notes)


def test_the_layout_of_the_decathlon(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/liver_1.nii.gz", "labelsTr/liver_1.nii.gz", "imagesTs/liver_9.nii.gz")
    (tmp_path / "dataset.json").write_text('{"labels": {"0": "background", "1": "liver", "2": "liver_tumor"}}')
    found = images_of(tmp_path)
    assert found[str(Path("imagesTr/liver_1.nii.gz"))] == ("liver_1", str(Path("labelsTr/liver_1.nii.gz")))
    assert found[str(Path("imagesTs/liver_9.nii.gz"))] == ("liver_9", None)


def test_folders_of_patients(tmp_path: Path) -> None:
    touch(tmp_path, "Anna/scan one.nii.gz", "Anna/scan two.nii.gz", "Bernd/series/1.dcm", "Bernd/series/2.dcm")
    found = images_of(tmp_path)
    assert {subject for subject, _ in found.values()} == {"Anna", "Bernd"}
    assert str(Path("Bernd/series")) in found and len(found) == 3


def test_names_of_ct_rate() -> None:
    here = Path("x")
    assert (
        subject_of(here / "train_12_a_1.nii.gz", here) == subject_of(here / "train_12_b_2.nii.gz", here) == "train_12"
    )


def test_labels_that_nobody_named_are_left_out_and_said(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "a_seg.nii.gz", "b_seg.nii.gz")
    collected = collect(tmp_path)
    assert collected.cases[0].label is None
    assert any("does not say what its values are" in n for n in collected.notes)
    assert any("b_seg.nii.gz is a label map without an image" in n for n in collected.notes)


@settings(deadline=None)
@given(st.sets(st.text("abcdef0123456789", min_size=1, max_size=6), min_size=3, max_size=40), st.integers(0, 99))
def test_splits_are_by_subject_and_repeat(names: set[str], seed: int) -> None:
    cases = [Case(Path(f"{name}-{n}.nii"), name, "train") for name in sorted(names) for n in range(2)]
    split = with_splits(cases, seed)
    assert split == with_splits(cases, seed)
    of = {c.subject: c.split for c in split}
    assert all(of[c.subject] == c.split for c in split)
    assert set(of.values()) == {"train", "validation", "test"}
    assert len(names) < 8 or list(of.values()).count("validation") >= 2


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="holds no volume"):
        collect(tmp_path)
    with pytest.raises(MedVLPError, match="is not a folder"):
        collect(tmp_path / "no")


def test_reports_find_their_volumes(tmp_path: Path) -> None:
    touch(tmp_path, "train_1_a_1.nii.gz", "train_2_a_1.nii.gz")
    table = tmp_path / "r.csv"
    rows = (
        "VolumeName,Findings_EN,Impressions_EN",
        'train_1_a_1.nii.gz,"Nodule, 4 mm.",Nodule.',
        "x.nii.gz,No.,",
        "y,,",
    )
    table.write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    reports = Reports(table)
    collected = collect(tmp_path, reports)
    assert [c.report for c in collected.cases] == ["FINDINGS:\nNodule, 4 mm.\nIMPRESSION:\nNodule.", ""]
    assert "The report of 'x' has no volume." in collected.notes
    assert reports.notes == ["The report of 'y' is empty."]


def test_reports_in_another_encoding_and_without_columns(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"image;report\n")
    with pytest.raises(MedVLPError, match="no column for the volume"):
        Reports(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_bytes("image,report\nа,Ödem der Lunge\n".encode("utf-16"))
    with pytest.raises(MedVLPError):
        Reports(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_bytes("image,report\na,Müller: edema\n".encode("cp1252"))
    reports = Reports(tmp_path / "r.csv")
    assert reports.take(Path("a.nii"), "a") == "Müller: edema" and "Windows-1252" in reports.notes[0]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_studies(10, 2, tmp_path_factory.mktemp("studies"), (20.0, 20.0, 20.0))


GERMAN = "Es wurde keine Raumforderung gefunden, auch sonst nichts. " * 3
Change = Callable[[list[Case], Path], list[Case]]


def doubled(cases: list[Case], folder: Path) -> list[Case]:
    copy = folder / "copy.nii.gz"
    copy.write_bytes(cases[0].image.read_bytes())
    return [*cases, replace(cases[0], image=copy, subject="other", split="test", label=None)]


def truncated(cases: list[Case], folder: Path) -> list[Case]:
    broken = folder / "broken.nii.gz"
    broken.write_bytes(cases[0].image.read_bytes()[:2000])
    return [replace(cases[0], image=broken), *cases[1:]]


def flat(cases: list[Case], folder: Path) -> list[Case]:
    rng = np.random.default_rng(0)
    array = rng.normal(0, 300, (20, 20, 6)).astype(np.float32)
    write_volume(Volume(array, np.diag([1.0, 1.0, 12.0, 1.0]), "CT"), folder / "flat.nii.gz")
    return [*cases, Case(folder / "flat.nii.gz", "flat", "train", modality="CT")]


def nameless(cases: list[Case], folder: Path) -> list[Case]:
    """An image of which neither manifest nor file says what it is."""
    array = np.random.default_rng(1).uniform(0, 1, (8, 8, 8)).astype(np.float32)
    write_volume(Volume(array, np.eye(4), ""), folder / "nameless.nii.gz")
    return [*cases, Case(folder / "nameless.nii.gz", "nameless", "train")]


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        (doubled, "error", "same voxels as .* in another split"),
        (truncated, "error", "^(?!.*broken).*[Tt]he file"),
        (flat, "warning", "Voxels of 1.00 x 1.00 x 12.00 mm"),
        (lambda c, _: [replace(c[0], label=c[1].label), *c[1:]], "error", "does not lie on the grid"),
        (lambda c, _: [replace(c[0], modality="MR"), *c[1:]], "warning", "says MR, and the file looks like CT"),
        (nameless, "warning", "modality is not known"),
        (lambda c, _: [replace(c[0], labels={}), *c[1:]], "warning", "values without a name"),
        (lambda c, _: [replace(c[0], report=GERMAN), *c[1:]], "warning", "not look English"),
        (lambda c, _: [x for x in c if x.split != "validation"], "warning", "No subject is in the split 'validation'"),
    ],
)  # fmt: skip
def test_a_check_finds(studies: Path, tmp_path: Path, change: Change, level: str, text: str) -> None:
    import re

    write_manifest(change(read_manifest(studies), tmp_path), tmp_path / "m.jsonl")
    _, remarks = inspect_manifest(tmp_path / "m.jsonl")
    assert any(r.level == level and re.search(text, r.text) for r in remarks), remarks


def test_sound_studies_have_no_remark(studies: Path) -> None:
    cases, remarks = inspect_manifest(studies)
    assert len(cases) == 10 and [r for r in remarks if r.level == "error"] == []


def test_the_same_thing_in_many_volumes_is_said_once(studies: Path, tmp_path: Path) -> None:
    cases = [replace(case, labels={}, modality="") for case in read_manifest(studies)]
    write_manifest(cases, tmp_path / "m.jsonl")
    seen, remarks = inspect_manifest(tmp_path / "m.jsonl")
    assert {case.modality for case in seen} == {"CT"}, "the files say it"
    one = Remark("error", "x", "It is broken.", "x.nii")
    groups = grouped([*remarks, one, Remark("warning", "", "No subject.")])
    assert str(groups[0]) == "x (x.nii): It is broken."
    nameless = next(group for group in groups if "without a name" in group.text)
    assert str(nameless).startswith("10 volumes: The label map has values without a name: 1, ")
    first = cases[0].label.name  # type: ignore[union-attr]
    assert str(nameless).endswith(f"For example {cases[0].subject} ({first}).")
    assert str(groups[-1]) == "No subject."


def test_the_command_line(studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ä m.jsonl"
    assert main(["manifest", "build", str(studies.parent), "-o", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["volumes"], found["with_label"], found["modalities"]) == (10, 10, {"CT": 10})
    assert {c.subject for c in read_manifest(out)} == {c.subject for c in read_manifest(studies)}
    assert main(["manifest", "check", str(out)]) == 0
    assert "0 errors" in capsys.readouterr().out
    write_manifest(doubled(read_manifest(studies), tmp_path), tmp_path / "twice.jsonl")
    assert main(["manifest", "check", str(tmp_path / "twice.jsonl")]) == 1
    assert "error: other (copy.nii.gz): It has the same voxels as " in capsys.readouterr().out


@pytest.mark.skipif(not (DATA / "hippocampus").is_dir(), reason="the data folder is not here (set MEDVLP_DATA)")
def test_real_layouts() -> None:
    hippocampus = collect(DATA / "hippocampus").cases
    assert len(hippocampus) == 192 and all(
        c.labels == {1: "hippocampus_anterior", 2: "hippocampus_posterior"} for c in hippocampus
    )
    kbp = collect(DATA / "openkbp").cases
    assert len(kbp) == 191 and all(c.label and c.label.name.endswith("_organs.nii.gz") for c in kbp)
    assert len(collect(DATA / "dicom").cases) == 2

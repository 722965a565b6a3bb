"""The list of layouts, the command line over it, and the helpers that several layouts share."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Testing.core.train.importers.made import image, request, text
from Testing.core.train.importers.test_msd import write_task
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train import importers
from vlp3d_core.train.importers import acdc, cc_ccii, covid_19_20, msd
from vlp3d_core.train.importers.registry import LAYOUTS, layout
from vlp3d_core.train.importers.request import inside, volumes_below
from vlp3d_core.train.importers.splits import labelled_splits, with_validation
from vlp3d_core.train.importers.tables import flag, rows_of
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

SHARED = {
    "__init__",
    "convert",
    "fib25",
    "lesions",
    "others",
    "registry",
    "request",
    "splits",
    "studies",
    "tables",
    "trunk",
}
"""fib25 cuts one volume into blocks, lesions, trunk and others gather from several sets: commands of their own."""


def test_every_importer_is_listed() -> None:
    (home,) = importers.__path__
    modules = {path.stem for path in Path(home).glob("*.py")} - SHARED
    assert {name.replace("-", "_") for name in LAYOUTS} == modules
    for name, one in LAYOUTS.items():
        assert one.name == name and one.about and one.expects and one.licence
        assert callable(import_module(f"vlp3d_core.train.importers.{name.replace('-', '_')}").read)


def test_names_of_label_values_are_concepts() -> None:
    names = {*msd.CONCEPTS.values(), *msd.TUMORS.values(), *acdc.LABELS.values(), covid_19_20.LESION, "synapse"}
    names |= {name for findings in cc_ccii.CLASSES.values() for name in findings} | {"lung_nodule"}
    assert names <= set(concepts())


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_folder_is_refused_with_what_was_expected(tmp_path: Path, name: str) -> None:
    image(tmp_path / "other" / "scan.nii.gz")
    with pytest.raises(MedVLPError) as caught:
        LAYOUTS[name].read(request(tmp_path / "other"))
    if name == "openkbp":
        assert "pt_N_ct.nii.gz, pt_N_organs.nii.gz" in str(caught.value)
    else:
        assert "does not have this layout" in caught.value.cause
        assert caught.value.remedy == f"Expected: {LAYOUTS[name].expects}."
    with pytest.raises(MedVLPError, match="is not a folder"):
        LAYOUTS[name].read(request(tmp_path / "nowhere"))


def test_an_unknown_layout() -> None:
    with pytest.raises(UsageError, match=r"no layout 'brats'.*msd, cremi"):
        layout("brats")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_task(tmp_path / "Task05_Prostate", "Task05_Prostate", ["p_0", "p_1", "p_2"])
    out = tmp_path / "my manifest.jsonl"
    command = ["manifest", "build", str(folder), "--layout", "msd", "--channel", "adc", "-o", str(out)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["volumes"], found["with_label"], found["modalities"]) == (3, 3, {"MR": 3})
    assert found["notes"][0] == "msd: CC BY-SA 4.0."
    assert {c.image.parent for c in read_manifest(out)} == {tmp_path / "my manifest-volumes" / "Task05_Prostate"}
    assert main(command) == 0
    assert "3 volumes of 3 subjects" in capsys.readouterr().out
    assert main(["manifest", "check", str(out)]) == 0


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--layout", "brats"], "no layout 'brats'"),
        (["--layout", "acdc", "--reports", "r.csv"], "--reports is not for --layout acdc"),
        (["--layout", "acdc", "--channel", "T2"], "--channel is for --layout msd"),
        (["--channel", "T2"], "--channel is for --layout msd"),
    ],
)
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], reason: str) -> None:
    image(tmp_path / "f" / "a_ct.nii.gz")
    assert main(["manifest", "build", str(tmp_path / "f"), "-o", str(tmp_path / "m.jsonl"), *more]) == 2
    assert reason in capsys.readouterr().err and not (tmp_path / "m.jsonl").exists()


def test_openkbp_by_its_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Patient 10 is for the test, as the recipe has it."""
    folder = tmp_path / "kbp"
    text(folder / "labels.json", '{"1": "brainstem"}')
    for number in (2, 10):
        for ending in ("ct", "organs"):
            array = np.zeros((6, 5, 4), np.float32)
            array[0] = 1
            write_volume(Volume(array, np.diag([10.0, 10, 10, 1])), folder / f"pt_{number}_{ending}.nii.gz")
    assert main(["manifest", "build", str(folder), "--layout", "openkbp", "-o", str(tmp_path / "m.jsonl")]) == 0
    assert "openkbp: MIT." in capsys.readouterr().out
    assert {c.subject: c.split for c in read_manifest(tmp_path / "m.jsonl")} == {"pt_2": "train", "pt_10": "test"}


def test_hidden_files_are_no_volumes(tmp_path: Path) -> None:
    for name in ("b/x.nii.gz", "a/._x.nii.gz", "c/x.nii.gz", "a/y.NII.GZ"):
        text(tmp_path / name, "-")
    assert volumes_below(tmp_path, ".nii.gz") == {
        "x.nii.gz": tmp_path / "b/x.nii.gz",
        "y.NII.GZ": tmp_path / "a/y.NII.GZ",
    }


@given(st.lists(st.sampled_from(["..", ".", "a", "x.nii", "/", "\\", "C:"]), max_size=6).map("/".join))
def test_lists_name_no_file_outside_of_their_folder(name: str) -> None:
    folder = Path(__file__).parent
    with pytest.raises(MedVLPError, match=r"which (lies outside of it|is missing)"):
        inside(folder, name)


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_tables_are_read_as_they_were_written(rows: list[tuple[str, str]]) -> None:
    import tempfile

    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("ID", " value "), *rows])
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "t.csv"
        path.write_bytes(stream.getvalue().encode("utf-8-sig"))
        assert rows_of(path, ("ID", "value")) == [{"ID": a, "value": b} for a, b in rows]


def test_flags() -> None:
    assert [flag(cell) for cell in ("1", "0", "1.0", "0.0", "", "-1", "yes")] == [
        True,
        False,
        True,
        False,
        None,
        None,
        None,
    ]


SUBJECTS = st.sets(st.text("abcdef0123456789", min_size=1, max_size=5), max_size=25)


@given(SUBJECTS, SUBJECTS, st.integers(0, 50))
def test_validation_is_cut_from_training_by_subject(train: set[str], test: set[str], seed: int) -> None:
    cases = [Case(Path(f"{s}-{n}.nii"), s, "train") for s in sorted(train) for n in range(2)]
    cases += [Case(Path(f"t{s}.nii"), f"t{s}", "test") for s in sorted(test)]
    split = with_validation(cases, seed)
    assert [c.image for c in split] == [c.image for c in cases] and split == with_validation(cases, seed)
    of = {c.subject: c.split for c in split}
    assert all(of[c.subject] == c.split for c in split), "no subject is in two splits"
    assert all(c.split == "test" for c in split if c.subject.startswith("t"))
    moved = sum(s == "validation" for s in of.values())
    assert moved == (max(1, round(len(train) / 10)) if len(train) >= 2 else 0)


@given(st.sets(st.integers(0, 60), min_size=3), st.integers(0, 50))
def test_only_labelled_volumes_are_trained_on(numbers: set[int], seed: int) -> None:
    cases = [Case(Path(f"{n}.nii"), str(n), "train", Path("l.nii") if n % 3 else None) for n in sorted(numbers)]
    split = labelled_splits(cases, seed)
    assert [c.image for c in split] == [c.image for c in cases]
    assert all(c.split == "test" for c in split if not c.label)
    if sum(c.label is not None for c in cases) >= 3:
        assert {c.split for c in split if c.label} == {"train", "validation", "test"}

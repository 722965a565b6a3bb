"""The manifest: what is written is read, and every fault is one sentence that names the line."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest

GOOD = {"image": "a.nii", "subject": "s", "split": "train"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.nii", "b.nii", "a-labels.nii"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "m.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_round_trip(folder: Path) -> None:
    cases = [
        Case(
            folder / "a.nii",
            "Zoë\u2028x",
            "train",
            folder / "a-labels.nii",
            {1: "liver", 7: "spleen"},
            ("liver",),
            "CT",
        ),
        Case(
            folder / "b.nii",
            "2",
            "test",
            contoured=(),
            findings={"lung_nodule": True, "pleural_effusion": False},
            weight=12,
        ),
    ]
    write_manifest(cases, folder / "m.jsonl")
    assert "weight" not in json.loads((folder / "m.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert read_manifest(folder / "m.jsonl") == cases
    assert read_manifest(folder / "m.jsonl", ("test",)) == cases[1:]


def test_findings(folder: Path) -> None:
    findings = {"lung_nodule": True, "pleural_effusion": False}
    path = write(folder, GOOD | {"findings": findings}, GOOD | {"image": "b.nii"})
    assert [case.findings for case in read_manifest(path)] == [findings, {}]
    write_manifest(read_manifest(path), path)
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first["findings"] == findings and "findings" not in second


def test_paths_are_relative_to_the_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    case = read_manifest(write(folder, GOOD | {"label": "a-labels.nii"}))[0]
    assert case.image == folder / "a.nii" and case.label == folder / "a-labels.nii"


def test_editors_marks_and_empty_lines_are_accepted(folder: Path) -> None:
    path = folder / "m.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert read_manifest(path)[0].contoured is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "Expecting"),
        ("[1]", "not a JSON object"),
        ({"image": "a.nii", "split": "train"}, "'subject' is missing"),
        ({"subject": "s", "split": "train"}, "'image' is missing"),
        (GOOD | {"image": ""}, "'image' is missing"),
        (GOOD | {"split": "dev"}, "the split 'dev'"),
        (GOOD | {"modality": "US"}, "the modality 'US'"),
        (GOOD | {"modality": ["CT"]}, "the modality"),
        (GOOD | {"contoured": "liver"}, "'contoured' is not a list"),
        (GOOD | {"labels": ["liver"]}, "'labels' does not give"),
        (GOOD | {"labels": {"one": "liver"}}, "invalid literal"),
        (GOOD | {"labels": {"0": "liver"}}, "below 1"),
        (GOOD | {"findings": ["lung_nodule"]}, "'findings' does not give"),
        (GOOD | {"findings": {"lung_nodule": 1}}, "'findings' does not give"),
        (GOOD | {"findings": {"": True}}, "'findings' does not give"),
        (GOOD | {"weight": 0}, "'weight' is not a whole number"),
        (GOOD | {"weight": 2.5}, "'weight' is not a whole number"),
        (GOOD | {"image": "none.nii"}, "does not exist"),
        (GOOD | {"image": "x" * 5000}, "does not exist"),
        (GOOD | {"image": "a\0b"}, "does not exist"),
        (GOOD | {"label": "none.nii"}, "does not exist"),
        (GOOD | {"subject": "t"}, "same volume as line 1"),
        (GOOD | {"image": "b.nii", "split": "test"}, "subject s is in the split test, but in line 1 in train"),
    ],
)
def test_a_fault_names_its_line(folder: Path, row: Any, reason: str) -> None:
    with pytest.raises(MedVLPError, match=r"Line 3 of .*m\.jsonl") as caught:
        read_manifest(write(folder, GOOD, "", row))
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00"])
def test_no_manifest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(MedVLPError, match=r"m\.jsonl"):
        read_manifest(tmp_path / "m.jsonl")
    with pytest.raises(MedVLPError, match="Cannot read"):
        read_manifest(tmp_path)


def test_files_of_other_splits_need_not_be_there(folder: Path) -> None:
    path = write(folder, GOOD, {"image": "far.nii", "subject": "t", "split": "test"})
    assert len(read_manifest(path, ("train",))) == 1


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(["image", "subject", "split", "label", "labels", "contoured", "modality", "findings"]), VALUES
    ).map(lambda row: json.dumps(GOOD | row))
)
def test_any_text_is_read_or_refused(folder: Path, line: str) -> None:
    path = folder / "any.jsonl"
    path.write_bytes(line.encode("utf-8", "surrogatepass"))
    with suppress(MedVLPError):
        assert read_manifest(path)

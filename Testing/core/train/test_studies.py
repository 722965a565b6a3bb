"""Studies on disk: readable by the manifest, the same whatever the count, complete or not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vlp3d_core.errors import Cancelled, UsageError
from vlp3d_core.text.report import parse_report
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.manifest import read_manifest
from vlp3d_core.volume.read import read_volume

SPACING = (9.0, 9.0, 9.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stüdies")
    make_studies(10, 4, folder, SPACING)
    return folder


def test_the_manifest_holds_all(folder: Path) -> None:
    cases = read_manifest(folder / "manifest.jsonl")
    assert Counter(case.split for case in cases) == {"train": 7, "validation": 1, "test": 2}
    assert len({case.subject for case in cases}) == 10
    for case in cases:
        assert parse_report(case.report).modality == "CT"
        assert read_volume(case.image, modality="CT").spacing == pytest.approx(SPACING)
        assert case.label is not None and case.label.exists() and "liver" in case.labels.values()


def test_findings_say_what_is_there_and_what_is_not(folder: Path) -> None:
    """A report leaves some of the absent unsaid, and never says what the findings deny."""
    cases = read_manifest(folder / "manifest.jsonl")
    assert any(case.findings.values() for case in cases)
    for case in cases:
        facts = parse_report(case.report)
        assert {name for name, there in case.findings.items() if there} == {f.kind for f in facts.findings}
        assert set(facts.none) <= {name for name, there in case.findings.items() if not there}


def test_a_study_does_not_depend_on_the_count(folder: Path, tmp_path: Path) -> None:
    make_studies(2, 4, tmp_path, SPACING)
    few, many = (read_manifest(f / "manifest.jsonl") for f in (tmp_path, folder))
    assert [c.report for c in few] == [c.report for c in many[:2]]
    assert few[0].image.read_bytes() == many[0].image.read_bytes()


def test_what_is_complete_stays_and_what_is_not_is_made_again(folder: Path) -> None:
    before = (folder / "manifest.jsonl").read_text()
    images = {p: p.stat().st_mtime_ns for p in sorted(folder.glob("*.nii.gz"))}
    (folder / "study-4-00001.jsonl").unlink()
    make_studies(10, 4, folder, SPACING)
    changed = {p.name for p in images if p.stat().st_mtime_ns != images[p]}
    assert changed == {"study-4-00001_ct.nii.gz", "study-4-00001_labels.nii.gz"}
    assert (folder / "manifest.jsonl").read_text() == before


def test_cancel_leaves_whole_files_only(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        make_studies(4, 0, tmp_path, SPACING, cancel=lambda: True)
    assert not (tmp_path / "manifest.jsonl").exists()
    assert all(p.name.endswith((".nii.gz", ".json", ".jsonl")) for p in tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, -1, 10_000_000])
def test_impossible_counts(count: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be made"):
        make_studies(count, 0, tmp_path, SPACING)

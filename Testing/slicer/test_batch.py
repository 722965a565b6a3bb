"""A folder in, results and one table out, with the real worker and the tiny model."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from MedVLPSegmentLib.Batch import segmentFolder
from MedVLPSegmentLib.BatchInputs import findScans
from Testing.core.tiny import BANDS, toy_grid, toy_head, toy_labels
from Testing.core.volume.conftest import ct_slice
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.volume.read import read_image
from vlp3d_core.volume.write_image import write_volume

ROOT = Path(__file__).parents[2]
SKULL = toy_labels(toy_grid()) == list(BANDS).index("skull") + 1


def write_series(folder: Path, number: int = 3) -> None:
    """The toy head as a DICOM series, one file a slice."""
    head = toy_head()
    folder.mkdir(parents=True)
    uid = generate_uid()
    for k in range(head.shape[2]):
        dataset = ct_slice(head.array[:, :, k].astype(np.int16), (4, 4, 4))
        dataset.SeriesInstanceUID, dataset.SeriesNumber = uid, number
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]  # along R and A
        dataset.ImagePositionPatient = [float(v) for v in np.diag([-1, -1, 1]) @ (head.affine @ [0, 0, k, 1])[:3]]
        dataset.save_as(folder / f"{uid[-5:]}-{900 - k}", enforce_file_format=True)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of all kinds, two of one name, and files that are none. Do not change it."""
    folder = tmp_path_factory.mktemp("in")
    head = toy_head()
    (folder / "B é").mkdir()
    write_volume(head, folder / "one.nii.gz")
    write_volume(head, folder / "One.nrrd")
    write_volume(head, folder / "B é" / "two.mha")
    write_series(folder / "patient" / "ct")
    (folder / "broken.nii.gz").write_bytes((folder / "one.nii.gz").read_bytes()[:500])
    (folder / "notes.txt").write_text("no scan")
    (folder / "Makefile").write_text("no scan either")
    (folder / ".hidden.nii.gz").write_text("")
    return folder


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(folder: Path, out: Path, worker: Any, **options: Any) -> list[dict[str, str]]:
    return rows(segmentFolder(folder, out, worker, ["skull", "brainstem"], "ct-tiny", **options))


def test_any_mix_of_scans(mixed: Path, worker: Any, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    seen: list[tuple[str, float]] = []
    table = run(
        mixed, out, worker, formats=(".seg.nrrd", ".nii.gz"), progress=lambda name, part: seen.append((name, part))
    )
    names = ["B é/two", "One-nrrd", "broken", "one-nii-gz", "patient/ct"]
    assert sorted({r["scan"] for r in table}) == names
    (bad,) = [r for r in table if r["status"] != "done"]
    assert bad["scan"] == "broken" and bad["status"] == "failed" and "broken.nii.gz" in bad["error"]
    assert "\n" not in bad["error"] and bad["structure"] == ""
    good = [r for r in table if r["status"] == "done"]
    assert [(r["structure"], r["found"]) for r in good] == [("Skull", "yes"), ("Brainstem", "yes")] * 4
    ml = np.count_nonzero(SKULL) * 0.064
    assert all(float(r["volume_ml"]) == pytest.approx(ml, rel=1e-3) for r in good if r["concept"] == "skull")
    for name in set(names) - {"broken"}:
        labels = read_image(out / f"{name}.nii.gz")
        place = np.argwhere(labels.array == 1) @ labels.affine[:3, :3].T + labels.affine[:3, 3]
        mine = np.argwhere(SKULL) @ toy_grid().affine[:3, :3].T + toy_grid().affine[:3, 3]
        assert np.allclose(sorted(map(tuple, np.round(place, 2))), sorted(map(tuple, np.round(mine, 2))), atol=0.05)
        assert (out / f"{name}.seg.nrrd").is_file() and json.loads((out / f"{name}.json").read_text())["labels"]
    assert not (out / "broken.seg.nrrd").exists()
    parts = [part for _, part in seen]
    assert parts == sorted(parts) and parts[-1] == 1 and {name for name, _ in seen} == {*names, ""}


def test_a_second_batch_does_what_is_missing(mixed: Path, worker: Any, tmp_path: Path) -> None:
    first = run(mixed, tmp_path, worker)
    (tmp_path / "One-nrrd.seg.nrrd").unlink()
    (tmp_path / "one-nii-gz.run.json").write_text("{ damaged")
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.seg.nrrd")}
    second = run(mixed, tmp_path, worker)
    status = {r["scan"]: r["status"] for r in second}
    assert status == {
        "B é/two": "kept", "One-nrrd": "done", "broken": "failed", "one-nii-gz": "done", "patient/ct": "kept",
    }  # fmt: skip
    assert [(r["scan"], r["structure"], r["volume_ml"], r["score"]) for r in second] == [
        (r["scan"], r["structure"], r["volume_ml"], r["score"]) for r in first
    ]
    for name in ("B é/two", "patient/ct"):
        path = tmp_path / f"{name}.seg.nrrd"
        assert path.stat().st_mtime_ns == times[path]


def test_what_makes_it_segment_again(worker: Any, tmp_path: Path) -> None:
    """Other structures, other voxels, or the word to do so."""
    scans, out = tmp_path / "in", tmp_path / "out"
    scans.mkdir()
    write_volume(toy_head(), scans / "a.nii.gz")

    def status(structures: list[str], **options: Any) -> list[str]:
        table = segmentFolder(scans, out, worker, structures, "ct-tiny", **options)
        return [r["status"] for r in rows(table)]

    assert status(["skull"]) == ["done"]
    assert status(["skull"]) == ["kept"]
    assert status(["skull"], overwrite=True) == ["done"]
    assert status(["mandible"]) == ["done"]
    os.utime(scans / "a.nii.gz", (1, 1))
    assert status(["mandible"]) == ["done"]


def test_cancel_keeps_what_is_finished(mixed: Path, worker: Any, tmp_path: Path) -> None:
    begun: list[str] = []
    with pytest.raises(Cancelled, match="2 of 5"):
        run(
            mixed, tmp_path, worker,
            progress=lambda name, part: begun.append(name), cancel=lambda: len(set(begun)) > 2,
        )  # fmt: skip
    assert {r["scan"] for r in rows(tmp_path / "results.csv")} == {"B é/two", "One-nrrd"}
    assert {r["status"] for r in run(mixed, tmp_path, worker) if r["scan"] in ("B é/two", "One-nrrd")} == {"kept"}


def test_results_inside_the_input_are_not_scans(worker: Any, tmp_path: Path) -> None:
    write_volume(toy_head(), tmp_path / "a.nii.gz")
    for _again in range(2):
        table = run(tmp_path, tmp_path / "out", worker, formats=(".nii.gz",))
        assert {r["scan"] for r in table} == {"a"}


def test_a_scan_is_never_overwritten(worker: Any, tmp_path: Path) -> None:
    write_volume(toy_head(), tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()
    with pytest.raises(UsageError, match="over a scan"):
        run(tmp_path, tmp_path, worker, formats=(".nii.gz",))
    assert (tmp_path / "a.nii.gz").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "word"),
    [({"structures": ["flux capacitor"]}, "flux"), ({"model": "none"}, "none"), ({"formats": [".png"]}, ".png")],
)
def test_a_wrong_request_ends_at_once(worker: Any, tmp_path: Path, options: dict[str, Any], word: str) -> None:
    write_volume(toy_head(), tmp_path / "a.nii.gz")
    with pytest.raises(UsageError, match=word):
        segmentFolder(tmp_path, tmp_path / "out", worker, **{"model": "ct-tiny", **options})


def test_folders_without_scans(worker: Any, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="no scans"):
        segmentFolder(tmp_path, tmp_path / "out", worker)
    with pytest.raises(MedVLPError, match="not a folder"):
        segmentFolder(tmp_path / "missing", tmp_path / "out", worker)


def test_dicom_wherever_its_files_lie(tmp_path: Path) -> None:
    """Two series in one folder; one spread over several; damaged files; a scout."""
    write_series(tmp_path / "two", 1)
    write_series(tmp_path / "more", 2)
    for file in (tmp_path / "more").iterdir():
        file.rename(tmp_path / "two" / file.name)
    write_series(tmp_path / "spread" / "a")
    for n, file in enumerate(sorted((tmp_path / "spread" / "a").iterdir())):
        (tmp_path / "spread" / f"slice{n}").mkdir()
        file.rename(tmp_path / "spread" / f"slice{n}" / "IM0")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 9)
    scout = ct_slice(np.zeros((5, 5), np.int16), (1, 1, 1))
    scout.SeriesInstanceUID = generate_uid()
    (tmp_path / "scout").mkdir()
    scout.save_as(tmp_path / "scout" / "IM0", enforce_file_format=True)
    scans = {scan.name: scan for scan in findScans(tmp_path, tmp_path / "out")}
    assert scans["bad"].error is not None and len(scans["spread"].files) == 38
    assert scans["spread"].path == tmp_path / "spread"
    assert sorted(n.split("-")[0] for n in scans) == ["bad", "spread", "two", "two"]


def test_from_a_shell(mixed: Path, tiny_models: Path, tmp_path: Path) -> None:
    """Plain Python, no Slicer: the same as PythonSlicer does."""
    (tmp_path / "in").mkdir()
    for name in ("One.nrrd", "broken.nii.gz"):
        (tmp_path / "in" / name).write_bytes((mixed / name).read_bytes())
    paths = os.pathsep.join([str(ROOT), str(ROOT / "MedVLPSegment")])
    done = subprocess.run(
        [sys.executable, "-m", "MedVLPSegmentLib.Batch", "in", "out", "--structures", "skull, left parotid",
         "--model", "ct-tiny", "--formats", "nii.gz,seg.nrrd"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths, "MEDVLP_MODELS": str(tiny_models)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stdout.strip() == str(Path("out", "results.csv"))
    table = rows(tmp_path / "out" / "results.csv")
    assert [(r["scan"], r["structure"]) for r in table] == [
        ("One", "Skull"), ("One", "Left parotid gland"), ("broken", ""),
    ]  # fmt: skip

"""Outputs that cannot be written: refused before the work where possible, never half a file, never the input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run, refused
from Testing.core.tiny import toy_head
from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume import read_volume
from vlp3d_core.volume.write_image import write_volume

HEAD = toy_head()


@pytest.mark.parametrize("name", ["o.png", "o", ".nii.gz", "missing/o.nii.gz", "x" * 300 + ".nii.gz"])
def test_outputs_that_cannot_be(name: str, vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / name, "--model", "ct-tiny")
    refused(done, 1 if "missing" in name or len(name) > 99 else 2, "Cannot write" if done.code == 1 else "format", out)


def test_a_table_that_cannot_be(vlp3d: Run, scan: Path, out: Path) -> None:
    arguments = ("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--table")
    refused(vlp3d(*arguments, out / "missing" / "t.csv"), 1, "Cannot write", out)
    refused(vlp3d(*arguments, out / "o.json"), 2, "over", out)


def test_nothing_is_written_over_the_input(vlp3d: Run, scan: Path, out: Path) -> None:
    before = scan.read_bytes()
    refused(vlp3d("segment", scan, "-o", scan, "--model", "ct-tiny"), 2, "over the input", out)
    refused(vlp3d("segment", scan, "-o", out / "o.nii", "--table", scan, "--model", "ct-tiny"), 2, "over the", out)
    refused(vlp3d("find", scan, "mandible", "-o", scan, "--model", "ct-tiny"), 2, "over the input", out)
    assert scan.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(vlp3d: Run, scan: Path, out: Path) -> None:
    out.chmod(0o500)
    try:
        refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny"), 1, "Cannot write", out)
    finally:
        out.chmod(0o700)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk without space."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_full_disk_for_an_image(ending: str, tmp_path: Path, out: Path) -> None:
    with full_disk(600), pytest.raises(MedVLPError, match="Cannot write"):
        write_volume(HEAD, out / f"ct{ending}")
    assert list(out.iterdir()) == []
    write_volume(HEAD, out / f"ct{ending}")
    assert read_volume(out / f"ct{ending}", modality="CT").shape == HEAD.shape


@pytest.mark.parametrize("name", ["o.nii.gz", "o.nii", "o.seg.nrrd"])
def test_a_full_disk(name: str, vlp3d: Run, scan: Path, out: Path) -> None:
    with full_disk(200):
        done = vlp3d("segment", scan, "-o", out / name, "--model", "ct-tiny", "--structures", "mandible")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("vlp3d: error: Cannot write")
    assert "Traceback" not in done.err
    assert list(out.iterdir()) == []


def test_a_full_disk_leaves_the_older_result(vlp3d: Run, scan: Path, out: Path) -> None:
    target = out / "o.seg.nrrd"
    target.write_bytes(b"older")
    with full_disk(200):
        assert vlp3d("segment", scan, "-o", target, "--model", "ct-tiny").code == 1
    assert target.read_bytes() == b"older"
    assert [path.name for path in out.iterdir()] == [target.name]

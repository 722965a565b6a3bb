"""`vlp3d demo`: every file that it promises, and a picture that shows what was found."""

from __future__ import annotations

import csv
import struct
from functools import cache
from pathlib import Path

import pytest

import vlp3d_core.phantom
from Testing.core.cli.conftest import Run
from vlp3d_core.cli.demo import FILES
from vlp3d_core.phantom import Phantom, make_phantom


@cache
def coarse(seed: int, region: str) -> Phantom:
    return make_phantom(seed, region, spacing=(8.0, 8.0, 8.0))


@pytest.fixture(autouse=True)
def small_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlp3d_core.phantom, "make_phantom", coarse)


def test_the_demo(vlp3d: Run, out: Path) -> None:
    folder = out / "a new folder"
    done = vlp3d("demo", "-o", folder, "--model", "ct-tiny", "--json")
    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES.values())
    result = done.json
    assert set(result["files"]) == set(FILES)
    # The tiny model takes dense bone for the skull; the rest it finds in the wrong place or not at all.
    assert result["dice"]["skull"] > 0.3
    assert all(value is None or 0 <= value <= 1 for value in result["dice"].values())
    assert {"load model", "make phantom", "segment", "write", "draw"} == set(result["seconds"])
    with (folder / "organs.csv").open(encoding="utf-8", newline="") as file:
        assert [row["concept"] for row in csv.DictReader(file)] == [row["concept"] for row in result["labels"]]
    width, height = struct.unpack(">II", (folder / "overview.png").read_bytes()[16:24])
    assert (width, height) == (1600, 1160)
    people = vlp3d("demo", "-o", folder, "--model", "ct-tiny")
    assert "DICE (PHANTOM)" in people.out
    assert "overview.png" in people.out


def test_a_folder_that_cannot_be(vlp3d: Run, out: Path) -> None:
    (out / "file").write_text("in the way")
    done = vlp3d("demo", "-o", out / "file", "--model", "ct-tiny")
    assert done.code == 1
    assert done.err.startswith("vlp3d: error: Cannot make the folder")
    assert done.err.count("\n") == 1


def test_no_such_model(vlp3d: Run, out: Path) -> None:
    done = vlp3d("demo", "-o", out, "--model", "ct-unicorn")
    assert done.code == 2
    assert list(out.iterdir()) == []

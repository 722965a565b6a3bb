"""`vlp3d models add` and `remove`, and a model that is used once it is there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run, refused
from vlp3d_core.model import registry


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vlp3d: Run) -> Path:
    """An empty user folder; no other models but the embedded ones."""
    monkeypatch.delenv("MEDVLP_MODELS")
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "daten")
    return tmp_path / "daten" / "models"


@pytest.fixture
def archive(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "tiny modell ä"), "zip", tiny_bundle.parent, tiny_bundle.name))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A real terminal on standard input; what is written to it is typed."""
    pty = pytest.importorskip("pty", reason="no terminals to be made here")
    master, slave = pty.openpty()
    with os.fdopen(slave, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


def test_add_segment_remove(vlp3d: Run, user: Path, archive: Path, scan: Path, out: Path) -> None:
    done = vlp3d("models", "add", archive, "--yes")
    assert done.code == 0, done.err
    for said in ("Tiny CT", "ct-tiny 1", "Apache-2.0", "parotid_gland_left", f"Installed as ct-tiny in {user}"):
        assert said in done.out
    assert "ct-tiny" in vlp3d("models").out
    assert vlp3d("models", "ct-tiny", "--json").json["folder"] == str(user / "ct-tiny")
    assert vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny").code == 0
    assert vlp3d("models", "remove", "ct-tiny").code == 0
    assert "ct-tiny" not in vlp3d("models").out
    assert list(user.iterdir()) == []


def test_json_and_another_name(vlp3d: Run, user: Path, archive: Path) -> None:
    row = vlp3d("models", "add", archive, "--yes", "--json", "--name", "ct-b").json
    assert (row["name"], row["version"], row["licence"], row["folder"]) == (
        "ct-b",
        "1",
        "Apache-2.0",
        str(user / "ct-b"),
    )
    assert row["structures"][0] == "trachea" and row["bytes"] > 1000 and row["replaces"] is None
    again = vlp3d("models", "add", archive, "--yes", "--json", "--name", "ct-b", "--replace").json
    assert again["replaces"] == str(user / "ct-b")


def test_nobody_to_ask(vlp3d: Run, user: Path, archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        refused(vlp3d("models", "add", archive), 2, "--yes", out)
    assert not user.exists()


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("yellow\n", 1)])
def test_the_question(typed: str, code: int, vlp3d: Run, user: Path, archive: Path, terminal: int) -> None:
    os.write(terminal, typed.encode())
    done = vlp3d("models", "add", archive)
    assert done.code == code
    assert "Apache-2.0" in done.out and "Install it? [y/N]" in done.err
    assert [p.name for p in user.iterdir()] == (["ct-tiny"] if code == 0 else [])
    assert ("Nothing was installed." in done.err) == (code == 1)


def test_words_of_a_stranger_cannot_move_the_cursor(vlp3d: Run, user: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "m"))
    card = (folder / "bundle.json").read_text(encoding="utf-8").replace("Tiny CT", "Tiny\\u001b[2K\\rCT")
    (folder / "bundle.json").write_text(card, encoding="utf-8")
    done = vlp3d("models", "add", folder, "--yes")
    assert done.code == 0 and "\x1b" not in done.out and "\r" not in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "nowhere.zip", "--yes"), 2, "no file or folder"),
        (("remove", registry.DEFAULT), 2, "comes with MedVLP"),
        (("remove", "ct-unicorn"), 2, "no model"),
        (("add",), 2, "required"),
    ],
)
def test_refused(arguments: tuple[str, ...], code: int, said: str, vlp3d: Run, user: Path, out: Path) -> None:
    refused(vlp3d("models", *arguments), code, said, out)


def test_the_embedded_name_is_refused(vlp3d: Run, user: Path, out: Path) -> None:
    folder = registry.embedded_folder() / registry.DEFAULT
    refused(vlp3d("models", "add", folder, "--yes"), 2, "--name", out)


def test_export_and_add_again(vlp3d: Run, user: Path, tiny_bundle: Path, out: Path) -> None:
    done = vlp3d("models", "export", tiny_bundle, "--format", "bundle", "-o", out / "my mödel.zip")
    assert done.code == 0 and "ct-tiny as bundle" in done.out
    row = vlp3d("models", "add", out / "my mödel.zip", "--yes", "--json").json
    weights = Path(row["folder"]) / "weights.safetensors"
    assert weights.read_bytes() == (tiny_bundle / "weights.safetensors").read_bytes()
    again = vlp3d("models", "export", "ct-tiny", "--format", "bundle", "-o", out / "2.zip", "--json").json
    assert again == {"name": "ct-tiny", "format": "bundle", "output": str(out / "2.zip"), "difference_to_pytorch": None}


def test_exports_that_are_refused(vlp3d: Run, user: Path, tiny_bundle: Path, out: Path) -> None:
    export = ("models", "export", tiny_bundle, "--format")
    refused(vlp3d(*export, "pickle", "-o", out / "x"), 2, "invalid choice", out)
    refused(vlp3d(*export, "bundle", "-o", out / "x.rar"), 2, ".zip", out)
    refused(vlp3d(*export, "bundle", "-o", out / "no" / "x.zip"), 1, "no", out)
    refused(vlp3d("models", "export", "ct-unicorn", "--format", "onnx", "-o", out / "x"), 2, "no model", out)

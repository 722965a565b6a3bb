"""Adding and removing models: whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.core.model.install.packing import add, left, zipped
from Testing.core.tiny import write_tiny_bundle
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model import registry
from vlp3d_core.model.bundle import load_network
from vlp3d_core.model.install import candidate, remove
from vlp3d_core.model.registry import find_bundle, list_bundles
from vlp3d_core.service.catalogue import catalogue
from vlp3d_core.service.shelf import Models


@pytest.mark.parametrize("kind", ["folder", "folder around it", "zip", "zip with one top folder", "zip made by macOS"])
def test_a_model_is_added(kind: str, folder: Path, tiny_bundle: Path, user: Path) -> None:
    (folder / "LICENSE").write_text("Apache")
    (folder / "training.log").write_text("not part of a model")
    sources: dict[str, Callable[[], Path]] = {
        "folder": lambda: folder,
        "folder around it": lambda: Path(shutil.move(folder, folder.parent / "run" / "bundle")).parent,
        "zip": lambda: zipped(folder),
        "zip with one top folder": lambda: zipped(folder, "größtes modell/"),
        "zip made by macOS": lambda: zipped(folder, "m/", **{"__MACOSX/m/._bundle.json": b"x"}),
    }
    (folder.parent / "run").mkdir()
    with candidate(sources[kind]()) as found:
        assert found.bundle.name == "ct-tiny" and found.replaces is None
        assert "ct-tiny" not in left(user)
        bundle = found.install()
    assert bundle.folder == user / "ct-tiny"
    assert sorted(p.name for p in bundle.folder.iterdir()) == ["LICENSE", "bundle.json", "weights.safetensors"]
    assert (bundle.folder / "weights.safetensors").read_bytes() == (tiny_bundle / "weights.safetensors").read_bytes()
    assert left(user) == ["ct-tiny"]
    assert find_bundle("ct-tiny").folder == bundle.folder
    load_network(bundle)


def test_what_is_not_installed_leaves_nothing(folder: Path, user: Path) -> None:
    with candidate(folder) as found:
        assert found.size == sum(p.stat().st_size for p in folder.iterdir())
    assert left(user) == []


def test_another_name(folder: Path, user: Path) -> None:
    bundle = add(folder, name="ct-mine")
    assert bundle.folder == user / "ct-mine" and find_bundle("ct-mine").name == "ct-mine"
    for name in ("../x", "CT", "", "a b", "ä", "x" * 65, "nul"):
        with pytest.raises(MedVLPError):
            add(folder, name=name)
    assert left(user) == ["ct-mine"]


def test_names_that_are_taken(folder: Path, user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="comes with MedVLP"):
        add(folder, name=registry.DEFAULT, replace=True)
    add(folder)
    with pytest.raises(UsageError, match="installed already"):
        add(folder)
    newer = write_tiny_bundle(tmp_path / "newer", version="2").folder
    assert add(newer, replace=True).card["version"] == "2"
    assert left(user) == ["ct-tiny"]
    (user / "ct-b").mkdir()
    with pytest.raises(UsageError, match="in the way"):
        add(folder, name="ct-b", replace=True)
    write_tiny_bundle(tmp_path / "other" / "x", name="ct-c")
    monkeypatch.setenv("MEDVLP_MODELS", str(tmp_path / "other"))
    with pytest.raises(UsageError, match="would hide it"):
        add(folder, name="ct-c", replace=True)


def test_a_failing_replacement_keeps_the_old_model(folder: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(folder)
    before = (user / "ct-tiny" / "bundle.json").read_bytes()
    rename = os.rename

    def failing(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(MedVLPError, match="No space left"):
        add(folder, replace=True)
    assert left(user) == ["ct-tiny"]
    assert (user / "ct-tiny" / "bundle.json").read_bytes() == before


def test_removing(folder: Path, user: Path) -> None:
    add(folder)
    assert remove("ct-tiny") == user / "ct-tiny"
    assert left(user) == []
    for name, said in (("ct-tiny", "no model"), (registry.DEFAULT, "comes with"), ("../my mödel", "no model")):
        with pytest.raises(UsageError, match=said):
            remove(name)
    assert folder.is_dir()


def test_a_damaged_model_can_be_removed_and_replaced(folder: Path, user: Path) -> None:
    add(folder)
    (user / "ct-tiny" / "bundle.json").write_text("{")
    add(folder, replace=True)
    (user / "ct-tiny" / "weights.safetensors").unlink()
    remove("ct-tiny")
    assert left(user) == []


def test_a_running_worker_sees_what_changes(folder: Path, tmp_path: Path) -> None:
    models = Models()
    with pytest.raises(UsageError):
        models.bundle("ct-tiny")
    add(folder)
    assert models.bundle("ct-tiny").card["version"] == "1"
    assert "ct-tiny" in [row["name"] for row in catalogue()]
    add(write_tiny_bundle(tmp_path / "newer", version="two").folder, replace=True)
    assert models.bundle("ct-tiny").card["version"] == "two"
    remove("ct-tiny")
    with pytest.raises(UsageError):
        models.bundle("ct-tiny")


def test_links_in_a_folder_are_not_followed(folder: Path, tmp_path: Path, user: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    try:
        (folder / "LICENSE").symlink_to(secret)
    except OSError:
        pytest.skip("links cannot be made here")
    assert not (add(folder).folder / "LICENSE").exists()


def test_what_a_killed_process_left_goes(folder: Path, user: Path) -> None:
    old = user / ".vlp3d-old" / "new"
    old.mkdir(parents=True)
    write_tiny_bundle(old, name="ct-half")
    assert "ct-half" not in [bundle.name for bundle in list_bundles()]
    os.utime(old.parent, (0, 0))
    add(folder)
    assert left(user) == ["ct-tiny"]


def test_a_folder_that_cannot_be_written(folder: Path, user: Path) -> None:
    user.parent.mkdir(parents=True)
    user.write_text("a file in its place")
    with pytest.raises(MedVLPError, match="Cannot write"):
        add(folder)


def test_no_torch_is_needed() -> None:
    code = "import sys, vlp3d_core.model.install; print({'torch', 'monai', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

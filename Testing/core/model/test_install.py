"""Adding and removing models: whole or not at all, and nothing that is not what it says."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Testing.core.tiny import write_tiny_bundle
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model import registry, unpack
from vlp3d_core.model.bundle import Bundle, load_network
from vlp3d_core.model.install import candidate, remove
from vlp3d_core.model.registry import find_bundle, list_bundles, user_folder
from vlp3d_core.service.catalogue import catalogue
from vlp3d_core.service.shelf import Models


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user folder, with a space and a letter beyond ASCII in its name."""
    monkeypatch.delenv("MEDVLP_MODELS", raising=False)
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "Ärzte daten")
    return tmp_path / "Ärzte daten" / "models"


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may spoil."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "my mödel"))


def zipped(folder: Path, top: str = "", **more: bytes) -> Path:
    """A zip of a folder's files, below `top`; further members by name."""
    path = folder.parent / "mödel 1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}{file.name}")
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def add(source: Path, name: str | None = None, replace: bool = False) -> Bundle:
    with candidate(source, name, replace) as found:
        return found.install()


def left(user: Path) -> list[str]:
    """What lies in the user's folder, temporary things included."""
    return sorted(p.name for p in user.iterdir()) if user.is_dir() else []


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


def flip(folder: Path) -> Path:
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-3] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    return folder


def cut(path: Path, share: float) -> Path:
    os.truncate(path, int(path.stat().st_size * share))
    return path


def declared(folder: Path, size: int) -> Path:
    """A zip whose central directory gives the weights' size wrongly."""
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02")  # weights.safetensors comes last
    assert b"weights" in content[start : start + 70]
    content[start + 24 : start + 28] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def changed_card(folder: Path, **values: object) -> Path:
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    (folder / "bundle.json").write_text(json.dumps(card | values), encoding="utf-8")
    return folder


def linked(folder: Path) -> Path:
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("LICENSE")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return path


def text_file(folder: Path) -> Path:
    path = folder.parent / "model.zip"
    path.write_text("<html>404</html>")
    return path


def encrypted(folder: Path) -> Path:
    path = zipped(folder)
    content = bytearray(path.read_bytes())
    start = -1
    while (start := content.find(b"PK\x01\x02", start + 1)) >= 0:
        content[start + 8] |= 1
    path.write_bytes(content)
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a wrong hash": (flip, "SHA-256"),
    "a wrong hash in a zip": (lambda f: zipped(flip(f)), "SHA-256"),
    "../ in a name": (lambda f: zipped(f, **{"../evil.py": b"x"}), "leads out"),
    "an absolute name": (lambda f: zipped(f, **{"/etc/cron.d/x": b"x"}), "no plain name"),
    "a drive": (lambda f: zipped(f, **{"C:/x": b"x"}), "no plain name"),
    "a backslash": (lambda f: zipped(f, **{"..\\x": b"x"}), "no plain name"),
    "names that differ by case": (lambda f: zipped(f, **{"BUNDLE.json": b"{}"}), "one name"),
    "a link": (linked, "link"),
    "4 GB declared": (lambda f: declared(f, 0xFFFFFFF0), "at most"),
    "more declared than there is": (lambda f: declared(f, 50_000_000), "cut short"),
    "less declared than there is": (lambda f: declared(f, 100), "cut short"),
    "a cut zip": (lambda f: cut(zipped(f), 0.7), "no zip, or is cut short"),
    "no zip": (text_file, "no zip"),
    "encrypted": (encrypted, "encrypted"),
    "two models": (lambda f: zipped(f, "a/", **{"b/bundle.json": b"{}"}), "several models"),
    "nothing in it": (lambda f: zipped(f, "a/b/"), "holds no model"),
    "cut weights": (lambda f: cut(f / "weights.safetensors", 0.5).parent, "cut short"),
    "no weights": (lambda f: ((f / "weights.safetensors").unlink(), f)[1], "lacks the weights"),
    "a card that is not JSON": (lambda f: ((f / "bundle.json").write_text("{"), f)[1], "not JSON"),
    "a card of another format": (lambda f: changed_card(f, format=9), "not a valid card"),
    "a name for a folder elsewhere": (lambda f: changed_card(f, name="../x"), "not a valid card"),
    "a name of a device": (lambda f: changed_card(f, name="con"), "Windows"),
    "a file that is not there": (lambda f: f / "nothing.zip", "no file or folder"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused(kind: str, folder: Path, user: Path) -> None:
    make, said = BAD[kind]
    source = make(folder)
    before = sorted(p for p in user.parent.parent.rglob("*"))
    with pytest.raises(MedVLPError, match=said) as caught:
        add(source)
    assert caught.value.remedy and "\n" not in str(caught.value)
    assert left(user) == []
    assert sorted(p for p in user.parent.parent.rglob("*") if p not in (user, user.parent)) == before


def test_ten_gigabytes(folder: Path, user: Path) -> None:
    """A zip64 entry that says 10 GB, and a sparse file of 10 GB that says it is a zip."""
    path = folder.parent / "big.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / "bundle.json", "bundle.json")
        with archive.open("weights.safetensors", "w", force_zip64=True) as member:
            member.write(b"x")
        archive.getinfo("weights.safetensors").file_size = 10_000_000_000
    with pytest.raises(MedVLPError, match=r"10\.0 GB"):
        add(path)
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(MedVLPError, match=r"10\.0 GB"):
        add(path)
    assert left(user) == []


def test_a_bomb_is_stopped_while_it_unpacks(folder: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that are within the limit one by one and not together, and a card that unpacks to more than cards have."""
    with monkeypatch.context() as patch:
        patch.setattr(unpack, "MAX_BYTES", 10_000)
        with pytest.raises(MedVLPError, match=r"at most|too large"):
            add(folder)
    (folder / "bundle.json").write_bytes(b" " * 30_000_000)
    small = zipped(folder)
    assert small.stat().st_size < 1_000_000
    with pytest.raises(MedVLPError, match="too large for a model card"):
        add(small)


def test_links_in_a_folder_are_not_followed(folder: Path, tmp_path: Path, user: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    try:
        (folder / "LICENSE").symlink_to(secret)
    except OSError:
        pytest.skip("links cannot be made here")
    assert not (add(folder).folder / "LICENSE").exists()


def test_too_many_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_FILES", 1)
    for source in (folder, zipped(folder)):
        with pytest.raises(MedVLPError, match="files"):
            add(source)


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_zip_is_an_error_or_harmless(data: st.DataObject, tiny_bundle: Path, tmp_path: Path) -> None:
    """Bytes changed anywhere: the model that is offered is the one that was packed, or there is none."""
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(tiny_bundle.iterdir()):
            archive.write(file, file.name)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[-1 - data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        with candidate(path) as found:
            assert found.bundle.card == json.loads((tiny_bundle / "bundle.json").read_text(encoding="utf-8"))
    except MedVLPError:
        pass
    assert left(user_folder()) == []


def test_no_torch_is_needed() -> None:
    code = "import sys, vlp3d_core.model.install; print({'torch', 'monai', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

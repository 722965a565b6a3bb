"""What is not a model, or not what it says, is refused in a sentence and leaves nothing."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Testing.core.model.install.packing import add, left, zipped
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model import unpack
from vlp3d_core.model.install import candidate
from vlp3d_core.model.registry import user_folder


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


def test_too_many_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_FILES", 1)
    for source in (folder, zipped(folder)):
        with pytest.raises(MedVLPError, match="files"):
            add(source)


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

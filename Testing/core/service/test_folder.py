"""Private folders: only for their owner, and none stays behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.folder import LOCK, PREFIX, PrivateFolder, sweep


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def old(folder: Path) -> Path:
    os.utime(folder, (1e9, 1e9))
    return folder


def test_a_folder_comes_and_goes(temporary: Path) -> None:
    folder = PrivateFolder()
    assert folder.path.parent == temporary
    if os.name == "posix":
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    (folder.path / "v1.raw").touch()
    folder.remove()
    folder.remove()
    assert list(temporary.iterdir()) == []


def test_folders_of_the_dead_are_swept(temporary: Path) -> None:
    code = (
        "from vlp3d_core.service.folder import PrivateFolder as P; import os; print(P().path, flush=True); os._exit(9)"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    dead = Path(done.stdout.strip())
    assert dead.is_dir()
    sweep(temporary)
    assert dead.is_dir(), "a folder may be without a lock while it is made"
    old(dead)
    living = PrivateFolder()
    assert not dead.exists()
    old(living.path)
    sweep(temporary)
    assert living.path.is_dir()
    living.remove()


def test_nothing_else_is_swept(temporary: Path) -> None:
    other = temporary / "somebody-elses"
    other.mkdir()
    (other / LOCK).touch()
    (temporary / f"{PREFIX}file").touch()
    (temporary / f"{PREFIX}link").symlink_to(other)
    old(other)
    sweep(temporary)
    assert sorted(p.name for p in temporary.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link", "somebody-elses"]
    assert (other / LOCK).exists()


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(MedVLPError, match="missing cannot be written: No such file") as caught:
        PrivateFolder()
    assert "TMPDIR" in caught.value.remedy

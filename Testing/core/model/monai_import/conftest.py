"""A user folder of the test, and a MONAI bundle that it may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from Testing.core.model.monai_import.made import Bands, script, write
from vlp3d_core.model import registry


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MEDVLP_MODELS", raising=False)
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "user")
    return tmp_path / "user" / "models"


@pytest.fixture(scope="module")
def scripted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "model.ts"
    script(Bands(), path)
    return path


@pytest.fixture
def folder(scripted_once: Path, tmp_path: Path) -> Path:
    """A MONAI bundle with TorchScript."""
    folder = write(tmp_path / "two bänds ct")
    (folder / "models").mkdir()
    shutil.copy(scripted_once, folder / "models" / "model.ts")
    (folder / "LICENSE").write_text("\nApache License 2.0\nmore\n")
    return folder

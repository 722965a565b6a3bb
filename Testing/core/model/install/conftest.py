"""A user folder that is empty, and a model that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vlp3d_core.model import registry


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

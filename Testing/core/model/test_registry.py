"""Where models are found, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from Testing.core.tiny import tiny_card, write_tiny_bundle
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model import registry
from vlp3d_core.model.bundle import write_card
from vlp3d_core.model.registry import find_bundle, list_bundles


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's models; the machine's own user folder is out of sight."""
    monkeypatch.setenv("MEDVLP_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "none")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_a_users_model_is_found_by_name(models: Path, tiny_bundle: Path) -> None:
    shutil.copytree(tiny_bundle, models / "any folder")
    assert find_bundle("ct-tiny").folder == models / "any folder"


def test_a_users_model_wins_over_the_embedded_one(models: Path) -> None:
    write_tiny_bundle(models / "mine", name=registry.DEFAULT, version="mine")
    assert find_bundle().card["version"] == "mine"
    assert [b.card["version"] for b in list_bundles() if b.name == registry.DEFAULT] == ["mine"]


def test_the_first_of_several_folders_wins(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_bundle(models / "m", version="first")
    write_tiny_bundle(tmp_path / "other" / "m", version="second")
    places = [str(models), str(tmp_path / "nowhere"), "", str(tmp_path / "other")]
    monkeypatch.setenv("MEDVLP_MODELS", os.pathsep.join(places))
    assert find_bundle("ct-tiny").card["version"] == "first"


def test_a_folder_is_a_name_too(tiny_bundle: Path) -> None:
    assert find_bundle(tiny_bundle).name == "ct-tiny"
    assert find_bundle(str(tiny_bundle)).name == "ct-tiny"


def test_broken_bundles_are_listed_with_their_problem(models: Path, tiny_bundle: Path) -> None:
    (models / "torn").mkdir()
    (models / "torn" / "bundle.json").write_text("{")
    shutil.copytree(tiny_bundle, models / "hollow")
    (models / "hollow" / "weights.safetensors").unlink()
    (models / "no bundle").mkdir()
    problems = {b.folder.name: b.problem for b in list_bundles()}
    assert "not JSON" in (problems["torn"] or "")
    assert "missing" in (problems["hollow"] or "")
    assert "no bundle" not in problems
    for name in ("torn", "ct-tiny"):
        with pytest.raises(MedVLPError):
            find_bundle(name)


@pytest.mark.parametrize("name", ["ct-foot", "x" * 5000, "nul\0l", "../.."])
def test_unknown_names(models: Path, name: str) -> None:
    write_tiny_bundle(models / "m")
    with pytest.raises(UsageError, match="There is no model") as caught:
        find_bundle(name)
    assert "ct-tiny" in caught.value.remedy


def test_an_invalid_card_in_a_named_folder(tmp_path: Path) -> None:
    write_card(tmp_path, tiny_card())
    with pytest.raises(MedVLPError, match="not a valid card"):
        find_bundle(tmp_path)

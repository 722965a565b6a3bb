"""`vlp3d models` on folders that the test makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlp3d_core.cli.main import main
from vlp3d_core.model import registry
from vlp3d_core.model.bundle import Bundle


@pytest.fixture
def card() -> dict[str, Any]:
    return {
        "name": "ct-trial",
        "version": "1",
        "title": "A trial",
        "description": "Two organs.",
        "licence": "Apache-2.0",
        "modality": "CT",
        "field": {"anchors": [], "text": "the trunk"},
        "spacing": [3, 3, 2.5],
        "concepts": [{"id": "kidney_left"}, {"id": "liver"}],
        "data": [{"name": "phantoms", "licence": "CC0"}],
        "recipe": {"command": "vlp3d finetune trial.yaml", "seed": 7},
        "scores": {"test": {"mean": {"metrics": {"dice": {"mean": 0.8125}}}}},
        "text_encoder": {"name": "text-tower", "sha256": "0" * 64},
        "weights": {"file": "weights.safetensors", "sha256": "1" * 64, "bytes": 2_500_000},
    }


@pytest.fixture
def bundles(card: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Bundle]:
    listed = [Bundle(tmp_path / "ct-trial", card), Bundle(tmp_path / "broken", {}, "It has no card.")]
    monkeypatch.setattr(registry, "list_bundles", lambda: listed)
    return listed


def test_the_list(bundles: list[Bundle], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    captured = capsys.readouterr()
    row = captured.out.splitlines()[1].split()
    assert row == ["ct-trial", "CT", "the", "trunk", "2", "2.5", "Apache-2.0", "0.81", *str(bundles[0].folder).split()]
    assert "broken" in captured.err
    assert "It has no card." in captured.err


def test_the_list_as_json(bundles: list[Bundle], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    good, broken = json.loads(capsys.readouterr().out)["models"]
    assert good["structures"] == 2 and good["field"] == "the trunk"
    assert good["mean_dice"] == 0.8125
    assert good["problem"] is None
    assert broken["problem"] == "It has no card."


def test_a_card(bundles: list[Bundle], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "ct-trial"]) == 0
    text = capsys.readouterr().out
    assert "CT, about 3 x 3 x 2.5 mm, the trunk" in text
    assert "phantoms (CC0)" in text
    assert "0.812 on the test split" in text


def test_a_card_without_scores_says_so(
    bundles: list[Bundle], card: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    card["scores"] = {}
    assert main(["models", "ct-trial"]) == 0
    assert "not measured" in capsys.readouterr().out


def test_a_card_as_json(bundles: list[Bundle], card: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "ct-trial", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"] == card


@pytest.mark.parametrize(("name", "code", "said"), [("ct-trail", 2, "ct-trial"), ("broken", 1, "It has no card.")])
def test_no_card_to_show(
    name: str, code: int, said: str, bundles: list[Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", name]) == code
    assert said in capsys.readouterr().err

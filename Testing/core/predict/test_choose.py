"""The choice among models that may fit a volume: the one whose anchors are found best, measured by its own limit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from Testing.core.tiny import toy_head, write_tiny_bundle
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.field import Anchor
from vlp3d_core.predict.choose import choose_bundle

SCORES = {"easy": 0.8, "strict": 0.92, "blind": 0.2}
"""What each model finds in the toy head; the tiny network itself is always sure."""


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(bundle: Bundle, *others: Any) -> SimpleNamespace:
        score = SCORES[bundle.name]
        return SimpleNamespace(field_score=score, anchors=[Anchor("mandible", score, 60.0, (0, 0, 0))])

    monkeypatch.setattr("vlp3d_core.predict.choose._look", look)


def bundle(folder: Path, name: str, limit: float, anchors: tuple[str, ...] = ("mandible",), **card: Any) -> Bundle:
    return write_tiny_bundle(folder / name, name=name, field={"anchors": list(anchors), "anchor_score": limit}, **card)


def test_the_one_farther_above_its_own_limit_is_taken(tmp_path: Path) -> None:
    """The strict one has the higher score, and for it that is hardly enough."""
    easy, strict = bundle(tmp_path, "easy", 0.3), bundle(tmp_path, "strict", 0.9)
    for order in ([easy, strict], [strict, easy]):
        chosen = choose_bundle(toy_head(), order, "cpu")
        assert chosen.bundle.name == "easy" and "mandible found" in chosen.reason


def test_a_model_that_finds_too_little_is_not_taken(tmp_path: Path) -> None:
    blind, strict = bundle(tmp_path, "blind", 0.3), bundle(tmp_path, "strict", 0.95)
    assert choose_bundle(toy_head(), [blind, bundle(tmp_path, "easy", 0.79)], "cpu").bundle.name == "easy"
    with pytest.raises(MedVLPError, match="None of the models blind, strict finds"):
        choose_bundle(toy_head(), [blind, strict], "cpu")


def test_a_model_that_takes_everything_is_the_last_resort(tmp_path: Path) -> None:
    blind, anything = bundle(tmp_path, "blind", 0.3), bundle(tmp_path, "anything", 0.0, ())
    chosen = choose_bundle(toy_head(), [blind, anything], "cpu")
    assert chosen.bundle.name == "anything" and "no other model finds" in chosen.reason


def test_a_model_of_findings_waits_to_be_asked(tmp_path: Path) -> None:
    """Who asks for nothing in particular wants anatomy; where no model of it fits, findings are better than nothing."""
    names = ["mandible", "skull", "brainstem", "trachea", "parotid_gland_left", "spinal_cord", "white_matter_lesion"]
    findings = bundle(tmp_path, "easy", 0.1, concepts=[{"id": name} for name in names])
    strict, blind = bundle(tmp_path, "strict", 0.9), bundle(tmp_path, "blind", 0.3)
    assert choose_bundle(toy_head(), [findings, strict], "cpu").bundle.name == "strict"
    assert choose_bundle(toy_head(), [findings, blind], "cpu").bundle.name == "easy"

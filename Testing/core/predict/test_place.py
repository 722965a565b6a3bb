"""Fit of points to a place, and regions of the toy head by where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Testing.core.tiny import BANDS, write_tiny_bundle
from vlp3d_core.errors import UsageError
from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.predict.asked import check_query
from vlp3d_core.predict.place import DIRECTIONS, fit
from vlp3d_core.volume import Volume

BALL = np.array([[x, y, z] for x in (-2.0, 2.0) for y in (-2.0, 2.0) for z in (-2.0, 2.0)])


def names(model: LoadedModel, encoded: Encoded, text: str, k: int = 9) -> list[str]:
    return [region.concept.id for region in model.find(encoded, text, k)]


@pytest.mark.parametrize("kind", DIRECTIONS)
def test_straight_across_and_opposite(kind: str) -> None:
    way = np.array(DIRECTIONS[kind], float)
    across = np.roll(way, 1)
    assert fit(kind, BALL + 100 * way, [BALL]) > 0.97
    assert fit(kind, BALL + 100 * across, [BALL]) < 0.05
    assert fit(kind, BALL - 100 * way, [BALL]) == 0
    assert fit(kind, BALL + 100 * (way + across), [BALL]) == pytest.approx(0.5, abs=0.05)


def test_both_sides() -> None:
    left, right, front = (BALL + 100 * np.array(way, float) for way in ((-1, 0, 0), (1, 0, 0), (0, 1, 0)))
    assert fit("lateral", left, [BALL]) > 0.97 and fit("lateral", right, [BALL]) > 0.97
    assert fit("lateral", front, [BALL]) < 0.05


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-80, 80)] * 3), st.floats(0.1, 0.9))
def test_between_is_between(way: tuple[float, float, float], part: float) -> None:
    other = BALL + way
    if np.linalg.norm(way) < 30:
        return
    middle = np.mean(BALL, 0, keepdims=True) + part * np.array(way)
    assert fit("between", middle, [BALL, other]) > 0.7
    beyond = np.mean(BALL, 0, keepdims=True) + 3 * np.array(way)
    assert fit("between", beyond, [BALL, other]) < 0.2


@pytest.mark.parametrize(
    ("text", "first", "never"),
    [
        ("left of the brainstem", "parotid_gland_left", "parotid_gland_right"),
        ("right of the brainstem", "parotid_gland_right", "parotid_gland_left"),
        ("below the brainstem", "spinal_cord", "skull"),
        ("in front of the spinal cord", "trachea", "skull"),
        ("behind the brainstem", "skull", "mandible"),
        ("parotid gland left of the mandible", "parotid_gland_left", "parotid_gland_right"),
        ("near the brainstem", "parotid_gland_left", "mandible"),
        ("glands on both sides of the brainstem", "parotid_gland_right", "mandible"),
        ("medial to the left parotid gland", "brainstem", "parotid_gland_left"),
    ],
)
def test_regions_by_place(model: LoadedModel, encoded: Encoded, text: str, first: str, never: str) -> None:
    found = names(model, encoded, text)
    assert found[0] == first and never not in found


def test_between_the_glands(model: LoadedModel, encoded: Encoded) -> None:
    found = names(model, encoded, "what lies between the parotid glands")
    assert found and set(found) <= {"brainstem", "mandible"}


def test_the_answer_says_how_it_was_read(model: LoadedModel, encoded: Encoded) -> None:
    regions = model.find(encoded, "things below the brainstem")
    assert "Read as structures below brainstem. Sides are the patient's." in regions.notes
    assert regions.prompt.unknown == ()


def test_nothing_lies_there(model: LoadedModel, encoded: Encoded) -> None:
    regions = model.find(encoded, "above the brainstem and right of nothing")
    assert len(regions) == 0 and any("Unknown" in note for note in regions.notes)
    regions = model.find(encoded, "spinal cord above the skull")
    assert len(regions) == 0 and any(note.startswith("Nothing that") for note in regions.notes)


def test_an_anchor_that_was_not_found(tmp_path: Path, toy_head: Volume) -> None:
    model = load_model(write_tiny_bundle(tmp_path / "m", concepts=[{"id": name} for name in BANDS]).folder, "cpu")
    array = toy_head.array.copy()
    low, high = BANDS["mandible"]
    array[(array >= low) & (array <= high)] = -60
    regions = model.find(model.encode(toy_head.with_array(array)), "below the mandible")
    assert len(regions) == 0 and any("Nothing found for mandible" in note for note in regions.notes)


def test_what_the_model_does_not_know(model: LoadedModel, encoded: Encoded) -> None:
    regions = model.find(encoded, "below the liver")
    assert len(regions) == 0 and any("does not know liver" in note for note in regions.notes)
    for text in ("below the liver", "liver below the skull", "spleen between the skull and the mandible"):
        with pytest.raises(UsageError, match="was not trained on"):
            check_query(text, model.bundle)
    check_query("below the skull", model.bundle)
    with pytest.raises(UsageError, match="is no known structure"):
        check_query("below the frobnicator", model.bundle)

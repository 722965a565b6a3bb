"""What is told of a volume's anchors, and that nothing is reported without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny import PLACES, toy_grid, toy_head, toy_labels
from vlp3d_core import load_model
from vlp3d_core.predict.loaded import LoadedModel


def with_field(tiny_bundle: Path, temperature: float = 1.0, **field: object) -> LoadedModel:
    """The tiny model with another card."""
    model = load_model(tiny_bundle, "cpu")
    bundle = replace(model.bundle, card={**model.bundle.card, "temperature": temperature, "field": field})
    return LoadedModel(replace(model.ready, bundle=bundle))


def test_anchors_are_measured(tiny_bundle: Path) -> None:
    encoded = load_model(tiny_bundle, "cpu").encode(toy_head())
    assert [one.name for one in encoded.anchors] == ["skull", "brainstem"]
    labels = toy_labels(toy_grid())
    for one in encoded.anchors:
        value = 1 + list(PLACES).index(one.name)
        assert one.centre == pytest.approx(PLACES[one.name][0], abs=1)
        assert one.ml == pytest.approx(np.count_nonzero(labels == value) * 0.064, rel=0.02)
        assert 0.5 < one.score <= 1
    assert encoded.field_score == max(one.score for one in encoded.anchors)
    assert encoded.report["field_score"] == round(encoded.field_score, 4)


@pytest.mark.parametrize(("least", "shown"), [(0.0, True), (0.55, True), (0.9, False)])
def test_nothing_is_reported_below_the_limit(tiny_bundle: Path, least: float, shown: bool) -> None:
    model = with_field(tiny_bundle, 20.0, anchors=["brainstem"], anchor_score=least)
    encoded = model.encode(toy_head())
    assert 0.55 < encoded.field_score < 0.9, "it is the calibrated probability"
    assert encoded.labels.any() == shown and encoded.anchors, "anchors are told also of what is refused"
    assert any("nothing is reported" in note for note in encoded.notes) is not shown


def test_without_anchors_everything_is_reported(tiny_bundle: Path) -> None:
    encoded = with_field(tiny_bundle, anchors=[]).encode(toy_head())
    assert encoded.labels.any() and not encoded.anchors and encoded.field_score == 0

"""The rules that tell models of one volume apart from each other, without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.model.fitting import Facts, apart, lengths, misfit, needs, shows
from vlp3d_core.phantom import Phantom
from vlp3d_core.volume import Volume


def model(modality: str, spacing: list[float], anchors: tuple[str, ...] = (), least: float = 0, most: float = 0) -> Any:
    extent = {"extent": {"least": [least] * 3, "most": [most] * 3}} if least else {}
    return {"modality": modality, "spacing": spacing, "field": {"anchors": list(anchors), **extent}}


MODELS = {
    "ct-head-neck": model("CT", [3.9, 3.9, 2.5], ("brainstem", "mandible"), 200, 400),
    "ct-trunk": model("CT", [4, 4, 4], ("liver",), 200, 600),
    "mr-brain": model("MR", [1, 1, 1], ("thalamus_left",), 140, 260),
    "mr-hippocampus": model("MR", [1, 1, 1], ("anterior_hippocampus",), 34, 52),
    "em-neurons": model("EM", [8e-6] * 3),
}


@pytest.mark.parametrize(
    ("modality", "spacing", "edge", "excluded", "expected"),
    [
        ("CT", 1.0, 250, (), {"ct-head-neck", "ct-trunk"}),
        ("MR", 1.0, 200, (), {"mr-brain"}),
        ("MR", 1.0, 40, (), {"mr-hippocampus"}),
        ("EM", 8e-6, 2e-3, (), {"em-neurons"}),
        ("PT", 4.0, 300, (), set()),
        ("", 1.0, 200, ("CT",), {"mr-brain"}),
        ("", 1.0, 200, ("MR", "PT"), {"ct-head-neck", "ct-trunk"}),
        ("MR", 6.0, 200, (), set()),
        ("CT", 1.0, 20, (), set()),
        ("CT", 1.0, 1900, (), set()),
    ],
)
def test_who_remains(modality: str, spacing: float, edge: float, excluded: tuple[str, ...], expected: set[str]) -> None:
    facts = Facts(modality, (spacing,) * 3, (edge,) * 3, excluded)
    assert {name for name, one in MODELS.items() if not misfit(one, facts)} == expected
    assert all(misfit(one, facts).startswith("the volume") for name, one in MODELS.items() if name not in expected)


def test_thick_slices_are_no_hindrance() -> None:
    assert not misfit(MODELS["mr-brain"], Facts("MR", (0.8, 0.8, 6.5), (200, 200, 160)))


def test_a_slab_is_thin_along_one_axis_and_a_crop_along_more() -> None:
    assert not misfit(MODELS["ct-trunk"], Facts("CT", (0.8, 0.8, 5), (400, 400, 15)))
    assert misfit(MODELS["ct-trunk"], Facts("CT", (0.8, 0.8, 5), (400, 50, 15))) == "the volume is too small"


def test_facts_of_a_volume(phantom: Phantom) -> None:
    said = Facts.of(phantom.volume)
    assert said.modality == "CT" and not said.excluded
    assert said.extent == pytest.approx(np.multiply(phantom.volume.shape, phantom.volume.spacing))
    silent = Facts.of(Volume(np.abs(phantom.volume.array), phantom.volume.affine))
    assert silent.modality == "" and set(silent.excluded) == {"CT"}
    assert silent.text().startswith("modality not said, spacing 6 x 6 x 6 mm, ")


def test_what_a_model_needs_in_words() -> None:
    extent = "200 x 200 x 200 mm to 600 x 600 x 600 mm in all"
    assert needs(MODELS["ct-trunk"]) == f"CT, about 4 x 4 x 4 mm, {extent}, with liver"
    assert needs(MODELS["em-neurons"]) == "EM, about 8 x 8 x 8 nm"
    many = model("CT", [1, 1, 1], ("liver", "spleen", "pancreas", "bladder", "heart", "aorta"))
    assert shows(many) == "with liver, spleen, pancreas, bladder or 2 more"
    assert shows({**many, "field": {**many["field"], "text": "the trunk"}}) == "the trunk"


def test_lengths_in_words() -> None:
    assert lengths((3.90625, 3.90625, 2.5)) == "3.9 x 3.9 x 2.5 mm"
    assert lengths((1024.0, 99.6, 0.5)) == "1024 x 100 x 0.5 mm"
    assert lengths((8e-6, 8e-6, 4e-5)) == "8 x 8 x 40 nm"


@given(st.permutations([0.5, 1.0, 3.0]))
def test_the_order_of_axes_does_not_matter(spacing: list[float]) -> None:
    assert apart(spacing, (1.0, 3.0, 0.5)) == 0 < apart(spacing, (1.0, 3.0, 0.6))

"""What is offered in place of a structure that a model does not know."""

from __future__ import annotations

import pytest

from vlp3d_core.model.registry import find_bundle
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.near import near_concepts

HEAD_NECK = find_bundle("ct-head-neck").concepts


@pytest.mark.parametrize(
    ("wanted", "known", "offered"),
    [
        ("submandibular_gland_left", HEAD_NECK, ["parotid_gland_left", "parotid_gland_right"]),
        ("pons", HEAD_NECK, ["brainstem"]),
        ("trachea", HEAD_NECK, ["larynx"]),
        ("parotid_tumor_left", HEAD_NECK, ["parotid_gland_left"]),
        ("larynx_tumor", HEAD_NECK, ["larynx"]),
        ("kidney_left", HEAD_NECK, []),
        ("kidney_left", ["liver", "ureter_left", "kidney_right"], ["kidney_right"]),
        ("kidney_left", ["liver", "ureter_left", "heart"], ["ureter_left"]),
        ("kidney_left", ["liver", "heart"], ["liver"]),
        ("liver", ["liver"], []),
    ],
)
def test_what_is_akin(wanted: str, known: list[str], offered: list[str]) -> None:
    assert [concept.id for concept in near_concepts(concepts()[wanted], known)] == offered

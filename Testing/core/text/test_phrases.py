"""Phrases: deterministic, held-out phrasings unseen, every concept named, sides never mixed up."""

from __future__ import annotations

import re

import pytest

from vlp3d_core.text.concepts import Concept, concepts, groups
from vlp3d_core.text.phrases import Phrases, concept_phrases, make_phrases, names, plural, sentences

SIDED = {side: concepts()[f"kidney_{side}"] for side in ("left", "right")}


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    return make_phrases(concepts(), groups(), per_name=3, general=300)


def test_same_seed_gives_the_same_phrases_and_another_seed_others(phrases: Phrases) -> None:
    assert make_phrases(concepts(), groups(), per_name=3, general=300) == phrases
    assert make_phrases(concepts(), groups(), per_name=3, general=300, seed=1) != phrases


def test_no_held_out_text_is_trained_on(phrases: Phrases) -> None:
    assert len(phrases.held_out) > 1000
    assert not {p.text.lower() for p in phrases.held_out} & {p.text.lower() for p in phrases.train}


def test_every_concept_is_trained_on_by_its_plain_name(phrases: Phrases) -> None:
    trained = {(p.text, p.concept) for p in phrases.train}
    for concept in concepts().values():
        assert (f"{concept.side} {names(concept)[0]}".strip(), concept.id) in trained


def test_no_text_names_two_concepts(phrases: Phrases) -> None:
    owner: dict[str, str] = {}
    for phrase in phrases.train:
        if phrase.concept:
            assert owner.setdefault(phrase.text, phrase.concept) == phrase.concept


@pytest.mark.parametrize("side", ["left", "right"])
def test_phrases_of_a_sided_concept_name_its_side_and_not_the_other(side: str) -> None:
    other = {"left": "right", "right": "left"}[side]
    for texts in concept_phrases(SIDED[side], train=20, held_out=20, seed=0):
        for text in texts:
            assert re.search(rf"\b{side}\b", text)
            assert not re.search(rf"\b{other}\b", text)


def test_names_have_no_side_and_adjectives_get_a_noun() -> None:
    kidney = names(SIDED["left"])
    assert kidney[0] == "kidney"
    assert {"renal", "renal parenchyma"} <= set(kidney)
    assert not any("left" in name for name in kidney)


def test_an_unsided_concept_keeps_left_in_its_name() -> None:
    liver = concepts()["liver"]
    lobe = Concept("x", "Left hepatic lobe", (), "", "g", "structure", "", *[liver.type] * 2, None, (0, 0, 0))
    assert names(lobe) == ("left hepatic lobe",)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("kidney", "kidneys"), ("carotid artery", "carotid arteries"), ("mass", "masses"), ("abscess", "abscesses"),
        ("metastasis", "metastases"), ("vertebra", "vertebrae"), ("lesion of the liver", "lesions of the liver"),
    ],
)  # fmt: skip
def test_plural(one: str, many: str) -> None:
    assert plural(one) == many


def test_sentences_fill_every_slot() -> None:
    source = sentences(concepts().values(), seed=3)
    drawn = [next(source) for _ in range(400)]
    assert len(set(drawn)) > 300
    assert not any("{" in text or "}" in text or "  " in text for text in drawn)

"""Texts that say where something lies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.prompt import parse_prompt
from vlp3d_core.text.relation import Relation, _kinds, parse_relation


def said(text: str) -> tuple[str, list[list[str]], list[str]]:
    relation = parse_relation(text)
    assert relation is not None, text
    return relation.kind, [[c.id for c in group] for group in relation.anchors], [c.id for c in relation.targets]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("below the left lung", ("inferior", [["lung_left"]], [])),
        ("Which organ lies directly   on top of the Left Kidney?", ("superior", [["kidney_left"]], [])),
        ("kidney to the left of the liver", ("left", [["liver"]], ["kidney_left", "kidney_right"])),
        ("right of the heart", ("right", [["heart"]], [])),
        ("oesophagus behind the windpipe", ("posterior", [["trachea"]], ["esophagus"])),
        ("show me things in front of the spinal cord, please", ("anterior", [["spinal_cord"]], [])),
        ("closest to the mandible", ("near", [["mandible"]], [])),
        ("aorta between the kidneys", ("between", [["kidney_left"], ["kidney_right"]], ["aorta"])),
        ("between the liver and the left kidney", ("between", [["liver"], ["kidney_left"]], [])),
        ("between left and right kidney", ("between", [["kidney_left"], ["kidney_right"]], [])),
        ("medial to the kidneys", ("between", [["kidney_left"], ["kidney_right"]], [])),
        ("medial to the left kidney", ("between", [["kidney_left"], ["kidney_right"]], [])),
        ("lateral to the left kidney", ("left", [["kidney_left"]], [])),
        ("kidney on either side of the spinal cord", ("lateral", [["spinal_cord"]], ["kidney_left", "kidney_right"])),
        ("the kidney behind the liver on the left", ("posterior", [["liver"]], ["kidney_left"])),
        ("the pipe in front of the spinal cord", ("anterior", [["spinal_cord"]], ["esophagus", "trachea"])),
        ("between L1 and L3", ("between", [["vertebrae_L1"], ["vertebrae_L3"]], [])),
    ],
)
def test_what_is_meant(text: str, meant: tuple[str, list[list[str]], list[str]]) -> None:
    assert said(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "left kidney", "below", "below the frobnicator", "frobnicator below the liver", "between the liver",
     "between the liver and the frobnicator", "not below the liver", "liver below", "unbelow the liver",
     "medial to the liver", "behind the liver on the left"],
)  # fmt: skip
def test_what_is_not_understood(text: str) -> None:
    assert parse_relation(text) is None


def test_described_structures_keep_their_names() -> None:
    """Such texts never come here: `parse_prompt` knows them."""
    assert not parse_prompt("the gland in front of the right ear").unknown


def test_words_of_a_relation_are_unknown_to_the_prompt() -> None:
    """Else a relation would be read as a list of structures."""
    for words in _kinds():
        pair = "the liver and the spleen" if _kinds()[words] == "between" else "the liver"
        assert parse_prompt(f"stomach {words} {pair}").unknown, words


def test_in_words() -> None:
    relation = parse_relation("kidneys BELOW  the liver")
    assert relation is not None and relation.text() == "left kidney or right kidney below liver"
    groups = tuple((concepts()[name],) for name in ("liver", "spleen"))
    assert Relation("between", "between", groups).text() == "structures between liver and spleen"


@given(st.sampled_from(sorted(_kinds())), st.sampled_from(sorted(concepts())), st.booleans())
def test_every_structure_can_be_an_anchor(words: str, name: str, shout: bool) -> None:
    concept = concepts()[name]
    if _kinds()[words] in ("between", "medial") or {c.id for c in parse_prompt(concept.name).concepts} != {name}:
        return
    text = f"structures {words} the {concept.name}"
    kind, anchors, targets = said(text.upper() if shout else text)
    away = {"left": "left", "right": "right", "": "lateral"}[concept.side]
    meant = {"lateral": away}.get(_kinds()[words], _kinds()[words])
    assert (kind, anchors, targets) == (meant, [[name]], [])


@given(st.text(max_size=80))
def test_no_text_makes_it_fail(text: str) -> None:
    parse_relation(f"{text} below {text}")

"""Phrasings as people write them → exactly the right structures, or none at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.text import concepts, groups, parse_prompt
from vlp3d_core.text.words import LONGEST

PHRASINGS = json.loads((Path(__file__).parent / "phrasings.json").read_text(encoding="utf-8"))


def expand(words: str) -> set[str]:
    """ "kidney_left @lumbar_spine" → ids; "@left ribs" means the left members of a group."""
    ids: set[str] = set()
    side = ""
    for word in words.split():
        if word in {"@left", "@right"}:
            side = word[1:]
        elif word.startswith("@") or side:
            members = groups()[word.lstrip("@")].members
            ids |= {i for i in members if not side or concepts()[i].side == side}
            side = ""
        else:
            ids.add(concepts()[word].id)
    return ids


def found(text: str) -> set[str]:
    return {concept.id for concept in parse_prompt(text).concepts}


@pytest.mark.parametrize(("text", "expected"), PHRASINGS["positive"])
def test_resolves(text: str, expected: str) -> None:
    prompt = parse_prompt(text)
    assert {concept.id for concept in prompt.concepts} == expand(expected)
    assert prompt.unknown == ()


@pytest.mark.parametrize(("text", "expected", "negated"), PHRASINGS["negated"])
def test_negation(text: str, expected: str, negated: str) -> None:
    prompt = parse_prompt(text)
    assert {concept.id for concept in prompt.negated} == expand(negated)
    if expected != "*":
        assert {concept.id for concept in prompt.concepts} == expand(expected)
    assert not set(prompt.concepts) & set(prompt.negated)


@pytest.mark.parametrize("text", PHRASINGS["unknown"])
def test_reports_unknown(text: str) -> None:
    prompt = parse_prompt(text)
    assert prompt.concepts == ()
    assert prompt.unknown


def test_lists_are_long_enough() -> None:
    assert len(PHRASINGS["positive"]) >= 150
    assert len(PHRASINGS["unknown"]) >= 80


def test_suggestions() -> None:
    assert "Liver" in parse_prompt("lever").suggestions
    assert parse_prompt("left banana").suggestions
    assert set(parse_prompt("lever", known=["spleen", "kidney_left"]).suggestions) <= {"Spleen", "Left kidney"}
    assert parse_prompt("liver", known=["spleen"]).concepts == (concepts()["liver"],)


def test_a_list_keeps_what_it_knows_and_says_what_it_does_not() -> None:
    prompt = parse_prompt("liver and flux capacitor")
    assert [concept.id for concept in prompt.concepts] == ["liver"]
    assert prompt.unknown == ("flux capacitor",)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_said(text: str) -> None:
    prompt = parse_prompt(text)
    assert (prompt.concepts, prompt.negated, prompt.unknown, prompt.suggestions) == ((), (), (), ())


def test_similar_words_stay_apart() -> None:
    assert found("left ureter") == {"ureter_left"}
    assert found("urethra") == {"urethra"}
    assert found("uterus") == {"uterus"}
    assert found("ileum") == {"ileum"}
    assert found("ilium") == {"hip_left", "hip_right"}
    assert found("medulla oblongata") != found("brainstem")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    prompt = parse_prompt(text)
    assert prompt.text == text
    assert all(concept.id in concepts() for concept in (*prompt.concepts, *prompt.negated))
    assert bool(prompt.suggestions) <= bool(prompt.unknown)


MIXTURE = (
    "left right both no and , or kidney rib 3 L5 - of the lower lobe except segment vena cava between ( ) renal bone . "
    "banana to lung tumor"
)
WORDS = st.sampled_from(MIXTURE.split())


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=30).map(" ".join))
def test_any_words_are_answered(text: str) -> None:
    prompt = parse_prompt(text)
    assert not set(prompt.concepts) & set(prompt.negated)
    assert len(set(prompt.concepts)) == len(prompt.concepts)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PHRASINGS["positive"] + PHRASINGS["negated"]), st.data())
def test_case_and_spaces_do_not_matter(row: list[str], data: st.DataObject) -> None:
    text = row[0]
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    space = data.draw(st.sampled_from(["  ", "\t", " \u00a0"]))
    changed = "".join(c.upper() if u else c for c, u in zip(text, upper, strict=True)).replace(" ", space)
    assert found(f" {changed} ") == found(text)
    assert parse_prompt(changed).negated == parse_prompt(text).negated


def test_a_very_long_text_is_cut() -> None:
    assert found("liver " + "x" * 10 * LONGEST) == set()
    assert found("liver, " * 10 * LONGEST) == {"liver"}


def test_needs_no_torch() -> None:
    code = "import sys, vlp3d_core.text as t; t.parse_prompt('liver'); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"

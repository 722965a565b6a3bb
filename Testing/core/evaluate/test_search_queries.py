"""The phrases of the benchmark: as the schema wants them, the same every time, and none that anything was made with."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from vlp3d_core.evaluate.search_queries import (
    CONCEPT_KINDS,
    FREE_KINDS,
    HALVES,
    REFUSED_KINDS,
    Query,
    absent,
    queries,
)
from vlp3d_core.evaluate.search_regions import REGIONS, region_concepts, region_queries
from vlp3d_core.model.registry import find_bundle
from vlp3d_core.text.concepts import concepts, groups
from vlp3d_core.text.phrases import make_phrases
from vlp3d_core.text.spelling import known_words

PHRASINGS = Path(__file__).parents[1] / "text" / "phrasings.json"


@pytest.fixture(scope="module")
def asked() -> list[Query]:
    return queries(find_bundle("ct-head-neck").concepts)


def read(name: str) -> dict:
    return json.loads(files("vlp3d_core.evaluate").joinpath(name).read_text(encoding="utf-8"))


def test_the_file_is_valid() -> None:
    schema, document = read("search_phrases.schema.json"), read("search_phrases.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)] == []
    rows = document["phrases"]
    assert {name for row in rows for name in (*row["concepts"], *row.get("anchors", ()))} <= set(concepts())
    texts = [text.casefold() for row in rows for text in row["texts"]]
    assert len(texts) == len(set(texts)) >= 400


def test_every_kind_in_both_halves(asked: list[Query]) -> None:
    kinds = {(query.kind, query.half) for query in asked}
    expected = {*CONCEPT_KINDS, *FREE_KINDS, *REFUSED_KINDS} - {"absent"}
    assert kinds == {(kind, half) for kind in expected for half in HALVES}
    assert all(bool(query.concepts) == (query.kind not in REFUSED_KINDS) for query in asked)
    assert len({query.text.casefold() for query in asked}) == len(asked) > 600


def test_the_same_every_time_and_others_for_another_seed(asked: list[Query]) -> None:
    known = find_bundle("ct-head-neck").concepts
    assert queries(known) == asked
    written = {query for query in queries(known, 1) if query.kind in FREE_KINDS}
    assert written == {query for query in asked if query.kind in FREE_KINDS}
    assert queries(known, 1) != asked
    assert [query.half for query in absent("mandible")] == list(HALVES)
    assert all("mandible" in query.text and not query.concepts for query in absent("mandible"))


def test_nothing_was_trained_or_tested_with_them(asked: list[Query]) -> None:
    """But names and synonyms alone, which every lexicon holds; slips of the fingers are drawn."""
    trained = {phrase.text for phrase in make_phrases(concepts(), groups()).train}
    plain = {f"{c.side} {word}".strip().casefold() for c in concepts().values() for word in c.synonyms}
    plain |= {c.name.casefold() for c in concepts().values()}
    document = json.loads(PHRASINGS.read_text(encoding="utf-8"))
    tested = {row[0].casefold() for kind in ("positive", "negated") for row in document[kind]}
    tested |= {text.casefold() for text in document["unknown"]}
    blind = [query for region in REGIONS for query in region_queries(region, region_concepts(region))]
    texts = {query.text.casefold() for query in asked if query.kind != "misspelling"} - plain
    texts |= {query.text.casefold() for query in blind} - plain
    assert not texts & trained and not texts & tested


def test_misspellings_are_no_other_words(asked: list[Query]) -> None:
    for query in asked:
        if query.kind == "misspelling":
            names = [set(concepts()[name].name.lower().split()) for name in query.concepts]
            assert not any(words <= set(query.text.lower().split()) for words in names), query.text
            assert {word for word in query.text.lower().split() if word not in known_words()}, query.text


def test_a_model_of_something_else() -> None:
    asked = {query.text: query for query in queries(("kidney_left", "liver"))}
    assert asked["the organ that makes bile"].concepts == ("liver",)
    assert asked["food tube"].kind == asked["below the mandible"].kind == "outside"
    assert asked["my invoice"].kind == "other"

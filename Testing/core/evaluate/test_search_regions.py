"""The phrases of regions: valid, each once, none of the other halves, and fixed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from importlib.resources import files

import jsonschema
import pytest

from vlp3d_core.cli.search import REGIONS as CHOICES
from vlp3d_core.evaluate.search_queries import (
    CONCEPT_KINDS,
    FREE_KINDS,
    HALVES,
    REFUSED_KINDS,
    Query,
    queries,
    written,
)
from vlp3d_core.evaluate.search_regions import GENERAL, REGIONS, region_concepts, region_queries
from vlp3d_core.model.registry import find_bundle
from vlp3d_core.text.concepts import concepts

FOLDER = files("vlp3d_core.evaluate")
FIXED = {
    "blind": "3117ecc4a7df4eef",
    "development": "9e64a3758496d507",
    "report": "15d1d05fd11b95f9",
}
"""Of the texts with their kinds and answers. Whoever changes a phrase after a measurement has another set: it needs
another name, not another digest here."""


def read(name: str) -> dict:
    return json.loads(FOLDER.joinpath(name).read_text(encoding="utf-8"))


DOCUMENTS = {name: read(f"phrases/{name}.json") for name in (*REGIONS, GENERAL)}


def texts() -> list[str]:
    return [t.casefold() for document in DOCUMENTS.values() for row in document["phrases"] for t in row["texts"]]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_is_valid(name: str) -> None:
    errors = jsonschema.Draft202012Validator(read("search_phrases.schema.json")).iter_errors(DOCUMENTS[name])
    assert [error.message for error in errors] == []
    rows, own = DOCUMENTS[name]["phrases"], DOCUMENTS[name].get("concepts", [])
    assert {c for row in rows for c in (*row["concepts"], *row.get("anchors", ()))} | {*own} <= set(concepts())
    for row in rows:
        assert not {*row["concepts"]} & {*own} or {*row["concepts"], *row.get("anchors", ())} <= {*own}, row["texts"]
        assert bool(row.get("anchors")) == (row["kind"] == "place"), row["texts"]


def test_no_phrase_twice_and_none_of_another_half() -> None:
    mine = texts()
    assert [text for text, times in Counter(mine).items() if times > 1] == [] and len(mine) > 900
    others = {text.casefold() for row in read("search_phrases.json")["phrases"] for text in row["texts"]}
    for region in REGIONS:
        others |= {query.text.casefold() for query in queries(region_concepts(region))}
    assert not {*mine} & others


@pytest.mark.parametrize("region", REGIONS)
def test_every_kind_and_enough_without_an_answer(region: str) -> None:
    asked = region_queries(region, region_concepts(region))
    assert {q.kind for q in asked} == {*CONCEPT_KINDS, *FREE_KINDS, *REFUSED_KINDS} - {"absent"}
    assert all(bool(q.concepts) == (q.kind not in REFUSED_KINDS) and q.half == "blind" for q in asked)
    assert sum(not q.concepts for q in asked) >= 60 <= sum(bool(q.concepts) for q in asked)


def test_regions_are_those_of_models() -> None:
    models = {"head-neck": "ct-head-neck", "trunk": "ct-trunk", "brain": "mr-brain", "hippocampus": "mr-hippocampus"}
    for region, model in models.items():
        assert {*region_concepts(region)} == {*find_bundle(model).concepts}
    assert CHOICES == REGIONS


def test_a_model_that_knows_less() -> None:
    asked = {query.text: query for query in region_queries("trunk", ("liver",))}
    assert asked["fegato"].concepts == ("liver",)
    assert asked["pancras"].kind == asked["between the lungs"].kind == "outside"


def test_the_splits_are_fixed() -> None:
    whole = [*(row for document in DOCUMENTS.values() for row in document["phrases"])]
    blind = list(written(whole, concepts(), "blind"))
    halves = list(written(read("search_phrases.json")["phrases"], concepts()))
    found = {half: digest([q for q in (*blind, *halves) if q.half == half]) for half in ("blind", *HALVES)}
    assert found == FIXED


def digest(asked: list[Query]) -> str:
    lines = sorted(f"{q.text}|{q.kind}|{','.join(sorted(q.concepts))}|{','.join(q.anchors)}" for q in asked)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

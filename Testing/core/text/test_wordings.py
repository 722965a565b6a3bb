"""Names, misspellings, labels, other languages and descriptions of what the embedded models know; and what is none.

The phrases of wordings.json were used to widen the lexicon: that they are understood says nothing of other phrases.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlp3d_core.model.registry import bundles_in, embedded_folder
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.prompt import parse_prompt
from vlp3d_core.text.relation import parse_relation

WORDINGS = json.loads((Path(__file__).parent / "wordings.json").read_text(encoding="utf-8"))


def ids(words: str) -> set[str]:
    """Ids, and both of a pair for an id without its side."""
    found = [{i for i in (word, f"{word}_left", f"{word}_right") if i in concepts()} for word in words.split()]
    assert all(found), words
    return set().union(*found)


NAMED = [(text, ids(words)) for words, texts in WORDINGS["names"].items() for text in texts]
KNOWN = {name for bundle in bundles_in(embedded_folder()) for name in bundle.concepts}
KNOWN |= {name for _, wanted in NAMED for name in wanted}


@pytest.mark.parametrize(("text", "wanted"), NAMED, ids=[text for text, _ in NAMED])
def test_names(text: str, wanted: set[str]) -> None:
    prompt = parse_prompt(text, known=KNOWN)
    assert ({c.id for c in prompt.concepts}, prompt.unknown) == (wanted, ())


@pytest.mark.parametrize(("text", "kind", "anchors", "targets"), WORDINGS["places"])
def test_places(text: str, kind: str, anchors: list[str], targets: list[str]) -> None:
    assert parse_prompt(text, known=KNOWN).unknown
    relation = parse_relation(text, KNOWN)
    assert relation is not None
    found = [{c.id for c in group} for group in relation.anchors]
    assert (relation.kind, found) == (kind, [ids(words) for words in anchors])
    assert bool(relation.targets) if targets == ["*"] else {c.id for c in relation.targets} == {*targets}


@pytest.mark.parametrize("text", WORDINGS["unknown"])
def test_none_of_the_models_structures(text: str) -> None:
    prompt = parse_prompt(text, known=KNOWN)
    assert prompt.unknown or not KNOWN & {c.id for c in prompt.concepts}
    assert parse_relation(text, KNOWN) is None or not prompt.unknown

"""The concepts: every structure and finding that the engine has a word for, read once from concepts.json.

Further words for them are in aliases.json, and names in other languages in languages.json: the lexicon alone knows
those. The text tower is not trained on them and the benchmark's phrases are not made of them, so that rare names can be
added without either becoming another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

Code = tuple[str, str, str]
"""A coded term: (coding scheme, code value, meaning), for example ("SCT", "10200004", "Liver")."""


@dataclass(frozen=True)
class Concept:
    """One structure ("kidney_left") or finding ("lung_nodule").

    Attributes:
        id: in TotalSegmentator's style.
        name: display name with its side ("Left kidney").
        synonyms: other words for it, nouns first, then its adjectives; without the side where `side` is set.
        side: "left", "right" or "".
        group: id of its home group.
        kind: "finding" for anything that is not normal anatomy.
        snomed: SNOMED CT code of the type, "" where none is known for certain.
        category, type, modifier: terminology triple as Slicer and DICOM SEG want it; scheme "99VLP" is our own.
        color: RGB, 0 to 255.
        adjectives: those of `synonyms` that are adjectives ("renal").
        parts: concepts that together make (most of) this one, for a model that knows only the parts.
        aliases: rare names, abbreviations and labels of other programs, without the side.
    """

    id: str
    name: str
    synonyms: tuple[str, ...]
    side: Literal["left", "right", ""]
    group: str
    kind: Literal["structure", "finding"]
    snomed: str
    category: Code
    type: Code
    modifier: Code | None
    color: tuple[int, int, int]
    adjectives: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """A named set of concepts ("Lungs"); `members` are concept ids, `aliases` as those of a concept."""

    id: str
    name: str
    synonyms: tuple[str, ...]
    members: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@cache
def _document(name: str = "concepts.json") -> dict[str, Any]:
    text = files("vlp3d_core.text").joinpath(name).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _aliases(name: str) -> tuple[str, ...]:
    """Those of an id, or of both of a pair."""
    tables: list[dict[str, list[str]]] = [_document("aliases.json")["aliases"], *foreign().values()]
    pair = re.sub("_(left|right)$", "", name)
    rows = [row for table in tables for row in (table.get(name, []), table.get(pair, []) if pair != name else [])]
    return tuple(dict.fromkeys(word for row in rows for word in row))


@cache
def foreign() -> Mapping[str, dict[str, list[str]]]:
    """Language → id of a concept or group, as in aliases.json → names in it."""
    return {key: table for key, table in _document("languages.json").items() if not key.startswith("$")}


@cache
def same() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Pairs of ids that together are one structure, beyond the parts of a concept."""
    return tuple((tuple(one), tuple(other)) for one, other in _document("aliases.json")["same"])


@cache
def ambiguous() -> Mapping[str, tuple[str, ...]]:
    """Words that may mean different things ("tummy") → ids of concepts that are offered for them."""
    return MappingProxyType(
        {
            word: tuple(i for name in names for i in (name, f"{name}_left", f"{name}_right") if i in concepts())
            for word, names in _document("aliases.json")["ambiguous"].items()
        }
    )


@cache
def other_things() -> tuple[str, ...]:
    """Names that would be taken for a concept and are none: "laryngeal mask"."""
    return tuple(_document("aliases.json")["others"])


@cache
def concepts() -> Mapping[str, Concept]:
    """All concepts by id, in the file's order (by home group)."""
    return MappingProxyType({row["id"]: _concept(row) for row in _document()["concepts"]})


@cache
def groups() -> Mapping[str, Group]:
    """All groups by id."""
    return MappingProxyType(
        {
            row["id"]: Group(row["id"], row["name"], tuple(row["synonyms"]), tuple(row["members"]), _aliases(row["id"]))
            for row in _document()["groups"]
        }
    )


def _concept(row: dict[str, Any]) -> Concept:
    adjectives = tuple(row.get("adjectives", ()))
    red, green, blue = row["color"]
    return Concept(
        id=row["id"],
        name=row["name"],
        synonyms=(*row["synonyms"], *adjectives),
        side=row["side"],
        group=row["group"],
        kind=row["kind"],
        snomed=row["snomed"],
        category=_code(row["category"]),
        type=_code(row["type"]),
        modifier=_code(row["modifier"]) if row["modifier"] else None,
        color=(red, green, blue),
        adjectives=adjectives,
        parts=tuple(row.get("parts", ())),
        aliases=_aliases(row["id"]),
    )


def _code(row: list[str]) -> Code:
    scheme, value, meaning = row
    return scheme, value, meaning

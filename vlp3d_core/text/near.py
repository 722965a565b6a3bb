"""What a model has to offer in place of a structure that it does not know."""

from __future__ import annotations

from collections.abc import Collection

from vlp3d_core.text.concepts import Concept, concepts, groups
from vlp3d_core.text.words import plain_words

MOST, WIDEST = 3, 60
"""How many are offered; members of a group that is wider than that have little to do with each other."""


def near_concepts(wanted: Concept, known: Collection[str]) -> tuple[Concept, ...]:
    """Concepts among the known ones that are nearest to another one, those of its own side first.

    Nearest are its parts, its whole or where a finding lies; else the other side; else what has the same home group
    ("left submandibular gland" and "left parotid gland" are salivary glands); else the fellow members of the smallest
    group that has any.
    """
    others = [concepts()[name] for name in known if name in concepts() and name != wanted.id]
    ranked = [(rank, other.side != wanted.side, other) for other in others if (rank := _distance(wanted, other)) >= 0]
    least = min((rank for rank, *_ in ranked), default=0)
    nearest = sorted((row for row in ranked if row[0] == least), key=lambda row: row[1])
    return tuple(other for *_, other in nearest[:MOST])


def _distance(one: Concept, other: Concept) -> int:
    """From 0; −1 for two that have nothing in common."""
    if other.id in one.parts or one.id in other.parts or (one.kind == "finding" and _lies_in(one, other)):
        return 0
    if one.side and other.id == one.id.replace(one.side, {"left": "right", "right": "left"}[one.side]):
        return 1
    if one.group == other.group:
        return 2
    sizes = [len(group.members) for group in groups().values() if {one.id, other.id} <= set(group.members)]
    return 3 + min(sizes) if sizes and min(sizes) <= WIDEST else -1


def _lies_in(finding: Concept, structure: Concept) -> bool:
    """Whether the name of a finding holds a name of a structure: "left parotid tumor", "parotid"."""
    said = set(plain_words(finding.name))
    names = [set(plain_words(word)) - {"left", "right"} for word in (structure.name, *structure.synonyms)]
    return structure.side in ("", finding.side) and any(words and words <= said for words in names)

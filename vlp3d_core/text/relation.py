"""Where something lies: "the vessel in front of the spine", "between the kidneys", "below the left lung"."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from vlp3d_core.text.clauses import items_of
from vlp3d_core.text.concepts import Concept, concepts
from vlp3d_core.text.lexicon import dropped, fillers
from vlp3d_core.text.prompt import Prompt, parse_prompt
from vlp3d_core.text.words import LONGEST, tokenise, words

BETWEEN, NEAR, LATERAL, MEDIAL = "between", "near", "lateral", "medial"
_SIDES = ("left", "right")
_CLAUSE = re.compile(r"\b(?:that|which|who)\b", re.IGNORECASE)
Known = Collection[str] | None
Group = tuple[Concept, ...]
"""Structures that are one anchor together, such as the lobes of a lung."""


@dataclass(frozen=True)
class Relation:
    """A place, and what is looked for there.

    Attributes:
        kind: one of the kinds of relations.json but "medial", which is between a pair. Sides are the patient's own, as
            everywhere.
        words: for it, as the user wrote them.
        anchors: what the place is relative to: one group, and two for "between".
        targets: what is looked for there; empty where any structure will do.
    """

    kind: str
    words: str
    anchors: tuple[Group, ...]
    targets: Group = ()

    def text(self) -> str:
        """For people, for example "kidneys below the liver"."""
        what = " or ".join(_named(self.targets)) if self.targets else "structures"
        joint = " and " if self.kind == BETWEEN else ""
        return f"{what} {self.words} {joint.join(' and '.join(_named(group)) for group in self.anchors)}"


def parse_relation(text: str, known: Known = None) -> Relation | None:
    """The relation that a text states; None where it states none, or where a part of it is not understood.

    `known` are concept ids in which structures are named, as for `parse_prompt`.
    Structures that are described by where they lie ("the gland in front of the right ear") have names, which
    `parse_prompt` knows: this is for texts in which it finds something unknown.
    """
    text = _without_accents(text[:LONGEST])
    match = _pattern().search(text)
    if match is None or _CLAUSE.search(text, match.end()):  # "the organ behind the stomach that makes insulin"
        return None
    kind = _kinds()[_spaced(match["words"])]
    before, after = text[: match.start()], text[match.end() :]
    after, side = _side_of_targets(after, known)
    targets = _targets(" ".join((side, before)) if side else before, known)
    anchors = _both(after, known) if kind == BETWEEN else _one(after, known)
    if kind in (LATERAL, MEDIAL) and anchors:
        kind, anchors = _about_midline(kind, anchors[0])
    if targets is None or not anchors or not all(anchors) or (side and not targets):
        return None
    return Relation(kind, _spaced(match["words"]), anchors, targets)


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _side_of_targets(after: str, known: Known) -> tuple[str, str]:
    """ "[The gland behind] the mandible on the left": the mandible has no side, so the gland has."""
    match = re.fullmatch(r"(.+?),?\s+on\s+the\s+(left|right)(?:\s+side)?\W*", after.strip(), re.IGNORECASE)
    if match is None or not (group := _one(match[1], known)) or any(concept.side for concept in group[0]):
        return after, ""
    return match[1], match[2]


def _about_midline(kind: str, group: Group) -> tuple[str, tuple[Group, ...]]:
    """Lateral of a structure at one side is a direction; medial of it, or of a pair, is between it and its twin."""
    sides = {concept.side for concept in group}
    if kind == LATERAL:
        return (min(sides) if sides in ({"left"}, {"right"}) else LATERAL), (group,)
    if "" in sides:
        return BETWEEN, ()
    pair = {side: dict.fromkeys(re.sub("left|right", side, concept.id) for concept in group) for side in _SIDES}
    return BETWEEN, tuple(tuple(concepts()[name] for name in pair[side] if name in concepts()) for side in _SIDES)


def _targets(text: str, known: Known) -> Group | None:
    """Structures asked for; () for a text without any ("which organ lies"); None for one that is not understood."""
    text = " ".join(word for word in text.split() if word.casefold() not in _table()["said"])
    things = [token.word for token in tokenise(text) if token.word not in dropped() | fillers()]
    if len(things) == 1 and things[0] in _table()["things"]:
        return tuple(concepts()[name] for name in _table()["things"][things[0]])
    if any(token.word in words()["negators"] for token in tokenise(text)):
        return None
    if not items_of(tokenise(text)):
        return ()
    prompt = parse_prompt(text, known)
    return prompt.concepts if _clear(prompt) else None


def _one(text: str, known: Known) -> tuple[Group, ...]:
    prompt = parse_prompt(text, known)
    return (prompt.concepts,) if _clear(prompt) else ()


def _both(text: str, known: Known) -> tuple[Group, ...]:
    """Two anchors: what stands on both sides of an "and", or a pair ("the kidneys", "left and right kidney")."""
    parts = re.split(r"\b(?:and|und|et|y|e)\b|&", text, maxsplit=1)
    if len(parts) == 2:
        groups = [_one(part, known) for part in parts]
        if all(groups):
            return tuple(group for found in groups for group in found)
    prompt = parse_prompt(text, known)
    left, right = (tuple(c for c in prompt.concepts if c.side == side) for side in ("left", "right"))
    return (left, right) if _clear(prompt) and left and right and len(left + right) == len(prompt.concepts) else ()


def _named(group: Group, most: int = 3) -> list[str]:
    names = [concept.name.lower() for concept in group[:most]]
    return [*names, "more"] if len(group) > most else names


def _clear(prompt: Prompt) -> bool:
    return bool(prompt.concepts) and not prompt.unknown and not prompt.negated


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split())


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(files("vlp3d_core.text").joinpath("relations.json").read_text(encoding="utf-8"))
    return table


@cache
def _kinds() -> dict[str, str]:
    return {phrase: kind for kind, phrases in _table()["kinds"].items() for phrase in phrases}


@cache
def _pattern() -> re.Pattern[str]:
    """Finds the words for a relation, the longest first, and how near ("right above"), which is read past."""
    phrases, degrees = (sorted(some, key=len, reverse=True) for some in (_kinds(), _table()["degrees"]))
    pattern = rf"\b(?:(?:{'|'.join(degrees)}) )?(?P<words>{'|'.join(phrases)})\b"
    return re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE)

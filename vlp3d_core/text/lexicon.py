"""The lexicon: which words, in any order, name which concepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from vlp3d_core.text.concepts import Concept, concepts, groups, other_things
from vlp3d_core.text.words import Token, common_form, tokenise, words

Key = tuple[str, ...]
"""The words of a phrase, sorted, without stopwords and sides."""

Side = str
""""left", "right", "both", or "" for none."""


@dataclass
class Entry:
    """What a key means: concept ids by side ("" where there is no side)."""

    by_side: dict[Side, tuple[str, ...]] = field(default_factory=dict)
    adjective: bool = True
    group: str = ""

    def resolve(self, sides: frozenset[Side]) -> tuple[str, ...]:
        """Concept ids for the sides that the user named; empty where the structure has no such side.

        No side means the unpaired concept, or else every side that there is ("kidney" means both kidneys).
        """
        if not sides:
            return self.by_side.get("") or tuple(i for ids in self.by_side.values() for i in ids)
        named = ("left", "right") if "both" in sides else tuple(s for s in ("left", "right") if s in sides)
        if self.group:
            members = self.by_side[""]
            sided = tuple(i for i in members if concepts()[i].side in named)
            return sided or (members if sides == {"both"} else ())
        found = [self.by_side.get(side, ()) for side in named]
        return tuple(i for ids in found for i in ids) if all(found) else ()


@dataclass(frozen=True)
class Lexicon:
    """Entries by key; `joined`: keys of phrases with an "and" of their own; `vocabulary`: all their words."""

    entries: Mapping[Key, Entry]
    joined: frozenset[Key]
    vocabulary: frozenset[str]
    longest: int


@cache
def side_words() -> Mapping[str, Side]:
    """Every word for a side, for example {"lt": "left", "bilateral": "both"}."""
    return {word: side for side, members in words()["sides"].items() for word in members}


@cache
def dropped() -> frozenset[str]:
    """Words that carry no meaning here: stopwords and the prepositions within a phrase."""
    return frozenset(words()["stopwords"]) | frozenset(words()["prepositions"])


@cache
def fillers() -> frozenset[str]:
    """Words that may stand beside a structure without changing it ("organ", "outline"), in their common form."""
    return frozenset(common_form(word) for word in words()["fillers"]) | frozenset(words()["fillers"])


def key_of(content: Iterable[str]) -> Key:
    """The key of a phrase's content words."""
    return tuple(sorted(content))


def content_of(tokens: Iterable[Token]) -> tuple[list[str], list[Side]]:
    """Content words and sides of a phrase, separators left out."""
    content: list[str] = []
    sides: list[Side] = []
    for token in tokens:
        if token.kind == "separator" or token.word in dropped():
            continue
        if token.word in side_words():
            sides.append(side_words()[token.word])
        elif not (sides and token.word in words()["side_nouns"]):
            content.append(token.word)
    return content, sides


@cache
def lexicon() -> Lexicon:
    """The lexicon of all concepts and groups, made once."""
    builder = _Builder()
    for concept in concepts().values():
        builder.concept(concept, (concept.name, *concept.synonyms))
    for group in groups().values():
        for phrase in (group.name, *group.synonyms, group.id):
            builder.group(phrase, group.id, group.members)
    for concept in concepts().values():
        builder.identifier(concept)
    for concept in concepts().values():
        builder.concept(concept, concept.aliases)
    for group in groups().values():
        for phrase in group.aliases:
            builder.group(phrase, group.id, group.members)
    vocabulary = frozenset(word for key in builder.entries for word in key)
    return Lexicon(builder.entries, frozenset(builder.joined), vocabulary, max(map(len, builder.entries)))


@cache
def others() -> frozenset[Key]:
    """Words for things that are none of the concepts, though the rules would read them as one ("laryngeal mask")."""
    return frozenset(key_of(content_of(tokenise(phrase))[0]) for phrase in other_things())


class _Builder:
    """Collects entries. A concept's words go before a group's, and both before the words of an id."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.joined: set[Key] = set()

    def concept(self, concept: Concept, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            key, sides = self._key(phrase)
            if not key:
                continue
            entry = self.entries.setdefault(key, Entry())
            side: Side = concept.side or next((s for s in sides if s != "both"), "")
            held = entry.by_side.get(side, ())
            if concept.id not in held:
                entry.by_side[side] = (*held, concept.id)
            entry.adjective &= phrase in concept.adjectives

    def group(self, phrase: str, group: str, members: tuple[str, ...]) -> None:
        key, _ = self._key(phrase)
        if key and key not in self.entries:
            self.entries[key] = Entry({"": members}, adjective=False, group=group)

    def identifier(self, concept: Concept) -> None:
        key, _ = self._key(concept.id)
        if key not in self.entries or not self.entries[key].group:
            self.concept(concept, (concept.id,))

    def _key(self, phrase: str) -> tuple[Key, list[Side]]:
        tokens = tokenise(phrase)
        content, sides = content_of(tokens)
        key = key_of(content)
        if any(t.kind == "separator" for t in tokens):
            self.joined.add(key)
        return key, sides

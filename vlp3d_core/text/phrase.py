"""One phrase ("the left renal parenchyma") → concepts: known words in any order, sides where they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from vlp3d_core.text.concepts import groups
from vlp3d_core.text.descriptions import described
from vlp3d_core.text.lexicon import Entry, Side, dropped, fillers, key_of, lexicon, others, side_words
from vlp3d_core.text.words import Token, words

MOST_KEPT = 4
"""Fillers of a text that are tried as words of a name ("small" bowel)."""
RELATIONS = frozenset({"of"})
"""A side before one of these is a direction ("left of the liver"), not the side of an organ."""


@dataclass(frozen=True)
class Phrase:
    """The words of one item of a list.

    Attributes:
        content: words with a meaning of their own, in order, sides and stopwords left out.
        sides: (position in content, side), in order.
        gaps: positions in content before which a preposition stands ("of", "in").
        strange: the words make no sense together whatever they are ("left of ...").
    """

    content: tuple[str, ...]
    sides: tuple[tuple[int, Side], ...] = ()
    gaps: frozenset[int] = frozenset()
    strange: bool = False

    @property
    def side_set(self) -> frozenset[Side]:
        return frozenset(side for _, side in self.sides)


@dataclass(frozen=True)
class Piece:
    """Words start to stop of a phrase's content, and what they name."""

    start: int
    stop: int
    entry: Entry


def phrase_of(tokens: Sequence[Token]) -> Phrase:
    """Sorts the tokens of one list item into content, sides and prepositions."""
    content: list[str] = []
    sides: list[tuple[int, Side]] = []
    gaps: set[int] = set()
    strange = False
    for i, token in enumerate(tokens):
        following = tokens[i + 1].word if i + 1 < len(tokens) else ""
        before = tokens[i - 1].word if i else ""
        if token.raw == "right" and following in words()["after_adverbs"]:
            continue  # "right after the stomach" is no side
        if token.word in side_words():
            side = side_words()[token.word]
            if side == "both" and (sides or content) and any(earlier.word == "one" for earlier in tokens[:i]):
                continue  # "the left one of the two kidneys"
            strange |= side != "both" and following in RELATIONS and before not in {"on", "to"}
            sides.append((len(content), side))
        elif token.word in words()["prepositions"]:
            gaps.add(len(content))
        elif token.word in words()["side_nouns"] and before in side_words() and (token.word != "hand" or following):
            continue
        elif token.word not in dropped():
            strange |= token.word in words()["comparatives"] and _chosen(tokens[i + 1 :])
            content.append(token.word)
    return Phrase(tuple(content), tuple(sides), frozenset(gaps), strange)


def _chosen(tokens: Sequence[Token]) -> bool:
    """Whether a comparison chooses one ("the larger of the kidneys"): which it is, words cannot tell."""
    return next((token.word for token in tokens if token.word != "one"), "") == "of"


def resolve(phrase: Phrase, extra: frozenset[Side] = frozenset()) -> tuple[str, ...]:
    """Concept ids that a phrase names, () when any of its words does not fit. `extra` are sides said elsewhere."""
    if (
        phrase.strange
        or key_of(phrase.content) in others()
        or not any(word not in fillers() for word in phrase.content)
    ):
        return ()
    sides = phrase.side_set | extra
    entry = whole(phrase.content, sides)
    if entry:
        if not sides and any(word in words()["needs_side"] for word in phrase.content) and len(phrase.content) == 1:
            return ()
        return entry.resolve(sides) or _where_it_lies(phrase, entry, sides) or _of_two(phrase, entry, sides)
    pieces = _split(phrase.content)
    if len(pieces) == 1:
        return pieces[0].entry.resolve(sides)
    return (_several(phrase, pieces, extra) if pieces else ()) or _within(phrase, sides)


def _where_it_lies(phrase: Phrase, entry: Entry, sides: frozenset[Side]) -> tuple[str, ...]:
    """ "The spleen on the left": it has no side, but lies there. "The right spleen" is none."""
    alone = entry.resolve(frozenset())
    behind = all(position == len(phrase.content) for position, _ in phrase.sides)
    place = words()["lies"].get(alone[0]) if len(alone) == 1 and phrase.sides and behind else None
    return alone if sides == {place} else ()


def _of_two(phrase: Phrase, entry: Entry, sides: frozenset[Side]) -> tuple[str, ...]:
    """ "The cleft between the two thalami": in a description, a pair may be that of the neighbours."""
    between = "between" in phrase.content and sides in ({"both"}, {"left", "right"})
    return entry.resolve(frozenset()) if between or (sides == {"both"} and named(phrase.content) is None) else ()


def whole(content: Sequence[str], sides: frozenset[Side] = frozenset()) -> Entry | None:
    """The entry of all words together, in any order, with or without fillers and tags; a description counts too."""
    return named(content) or described(content, sides)


def named(content: Sequence[str]) -> Entry | None:
    """The same without descriptions."""
    told = [word for word in content if word not in words()["tags"]]
    essential = [word for word in told if word not in fillers()]
    more = [word for word in told if word in fillers()]
    for kept in range(min(len(more), MOST_KEPT), -1, -1):  # "small bowel organ" is no bowel organ
        for some in combinations(more, kept):
            if entry := lexicon().entries.get(key_of((*essential, *some))):
                return entry
    return lexicon().entries.get(key_of(content))


def _within(phrase: Phrase, sides: frozenset[Side]) -> tuple[str, ...]:
    """ "The bladder in the pelvis": a name, and the part of the body that it is in; "the kidney in the chest" is ()."""
    for gap in phrase.gaps - {0, len(phrase.content)}:
        entry, place = whole(phrase.content[:gap]), [w for w in phrase.content[gap:] if w not in fillers()]
        if entry and not entry.group and len(place) == 1 and place[0] in words()["regions"]:
            members = {i for name in words()["regions"][place[0]] for i in groups()[name].members}
            if _all_in(entry, members):
                return entry.resolve(sides)
    return ()


def _several(phrase: Phrase, pieces: Sequence[Piece], extra: frozenset[Side]) -> tuple[str, ...]:
    """Several organs in a row without commas. "brain skin" and "liver of the lung" are not that: ()."""
    if not all(_is_organ(piece.entry) for piece in pieces) or any(p.start in phrase.gaps for p in pieces[1:]):
        return ()
    if any(piece.entry.adjective for piece in pieces):
        return ()
    sides: list[set[Side]] = [set(extra) for _ in pieces]
    for position, side in phrase.sides:
        sides[_owner(position, side, pieces)].add(side)
    found = [piece.entry.resolve(frozenset(s)) for piece, s in zip(pieces, sides, strict=True)]
    return tuple(i for ids in found for i in ids) if all(found) else ()


def _owner(position: int, side: Side, pieces: Sequence[Piece]) -> int:
    """Index of the piece that a side belongs to: the next one, or the one before when the next has no sides."""
    following = next((i for i, piece in enumerate(pieces) if piece.start >= position), None)
    if following is not None and pieces[following].entry.resolve(frozenset({side})):
        return following
    return max((i for i, piece in enumerate(pieces) if piece.stop <= position), default=following or 0)


def _is_organ(entry: Entry) -> bool:
    if entry.group:
        return False
    allowed = words()["list_groups"]
    return all(any(i in groups()[name].members for name in allowed) for ids in entry.by_side.values() for i in ids)


def _split(content: Sequence[str]) -> list[Piece]:
    """The fewest known pieces, in order, that cover all words; fillers and fitting class words may be left over."""
    best: list[list[Piece] | None] = [[], *([None] * len(content))]
    for stop in range(1, len(content) + 1):
        for start, piece in _endings(content, stop):
            before = best[start]
            if before is None:
                continue
            candidate = [*before, piece] if piece else before
            current = best[stop]
            if current is None or len(candidate) < len(current):
                best[stop] = candidate
    pieces = best[-1] or []
    return pieces if _classes_fit(content, pieces) else []


def _endings(content: Sequence[str], stop: int) -> Iterator[tuple[int, Piece | None]]:
    for start in range(max(0, stop - lexicon().longest), stop):
        entry = lexicon().entries.get(key_of(content[start:stop]))
        if entry:
            yield start, Piece(start, stop, entry)
    if content[stop - 1] in fillers() or content[stop - 1] in words()["classes"]:
        yield stop - 1, None


def _classes_fit(content: Sequence[str], pieces: Sequence[Piece]) -> bool:
    """A class word left over ("femur bone") must be true of the piece beside it ("liver bone" is not)."""
    covered = {i for piece in pieces for i in range(piece.start, piece.stop)}
    for i, word in enumerate(content):
        group = words()["classes"].get(word)
        if i in covered or group is None or (word in fillers()):
            continue
        members = groups()[group].members
        beside = [piece for piece in pieces if piece.stop == i or piece.start == i + 1]
        if not any(_all_in(piece.entry, members) for piece in beside):
            return False
    return True


def _all_in(entry: Entry, members: Collection[str]) -> bool:
    return all(i in members for ids in entry.by_side.values() for i in ids)

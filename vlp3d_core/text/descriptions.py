"""Structures that are described instead of named: "the gland in front of the right ear"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from vlp3d_core.text.lexicon import Entry, Side, fillers, lexicon
from vlp3d_core.text.words import common_form, plain_words, stem, words


@cache
def _descriptions() -> tuple[tuple[Entry, Side, tuple[frozenset[str], ...]], ...]:
    """Entry, the side that has to be said ("the organ under the right ribs"), and the word sets."""
    return tuple(
        (_entry(row["of"]), row.get("side", ""), tuple(_written_out(alternatives) for alternatives in row["all"]))
        for row in _document()["descriptions"]
    )


def _written_out(alternatives: Sequence[str]) -> frozenset[str]:
    """Stems, with those of all words of a "@verb" in its place."""
    verbs: dict[str, list[str]] = _document()["verbs"]
    return _stems(word for one in alternatives for word in verbs.get(one, [one]))


def _stems(some: Iterable[str]) -> frozenset[str]:
    return frozenset(stem(common_form(word)) for word in some)


@cache
def _connectives() -> frozenset[str]:
    """They tell nothing. A position does ("behind the windpipe"): it must be among a description's own words."""
    return _stems(_document()["connectives"])


@cache
def _positions() -> frozenset[str]:
    return _stems(_document()["positions"])


@cache
def described_words() -> frozenset[str]:
    """Every word that a description may hold, in its common form."""
    document = _document()
    sets = [alternatives for row in document["descriptions"] for alternatives in row["all"]]
    sets += [row.get(key, ()) for row in document["definitions"] for key in ("is", "about", "near")]
    sets += [document["connectives"], document["positions"], *document["verbs"].values()]
    return frozenset(common_form(word) for some in sets for word in some if word[0] != "@")


def described(content: Sequence[str], sides: frozenset[Side] = frozenset()) -> Entry | None:
    """The entry that a phrase describes, or None; `sides` are those that it names.

    A description fits when each of its word sets is met and nothing is left over but connecting words and those of the
    structure's definition. The one with the most sets wins; None when two different structures fit equally well. Where
    none fits, `_defined` is asked.
    """
    present = _stems(content)
    if len(present) < 2:
        return None
    beside = stem(next((word for word in content if word not in fillers()), "")) in _positions()
    best: list[Entry] = []
    most = 0
    for whose, side, needed in _descriptions():
        if len(needed) < most or not all(present & alternatives for alternatives in needed):
            continue
        if (sides != {side}) if side else beside:
            continue  # "behind the food pipe" is no food pipe
        if present <= _connectives().union(_said_of(whose), *needed):
            entry = _placed(whose, side) if side else whose
            best = [*best, entry] if len(needed) == most else [entry]
            most = len(needed)
    if not best:
        return None if beside else _defined(content)
    best = [entry for entry in best if not sides or entry.resolve(sides)] or best
    return best[0] if all(entry == best[0] for entry in best) else None


def _said_of(entry: Entry) -> frozenset[str]:
    """All words of its definition, with those that name what lies near."""
    return _near().get(id(entry), frozenset())


@cache
def _near() -> dict[int, frozenset[str]]:
    """Entries are made once, so that an id stands for one."""
    return {
        id(_entry(row["of"])): _stems((*row["is"], *row["about"], *row.get("near", ())))
        for row in _document()["definitions"]
    }


def _placed(entry: Entry, side: Side) -> Entry:
    """A structure without sides, for a text that says on which side it lies."""
    return Entry({side: entry.resolve(frozenset())}, adjective=False)


def _defined(content: Sequence[str]) -> Entry | None:
    """The entry whose definition has most of the words, two at least; three that name nothing if none says what it is.

    Every word must be the definition's or connect, or it might be the one that makes it something else. None when two
    structures fit equally well.
    """
    best: list[Entry] = []
    most = 3
    present = _stems(content)
    naming = any((word,) in lexicon().entries for word in content)  # "stomach behind the liver" is no vein
    for entry, things, about in _definitions():
        if naming and not present & things:
            continue
        fits = len((present & about) - things) + bool(present & things)
        others = _kinds() - things - about
        if fits >= most and not present & others and present <= _connectives() | things | about:
            best = [*best, entry] if fits == most else [entry]
            most = fits
    return best[0] if len(best) == 1 else None


@cache
def _kinds() -> frozenset[str]:
    """Of things that are never the same ("bone", "gland")."""
    return _stems((*words()["classes"], "muscle", "tube", "pipe"))


@cache
def _definitions() -> tuple[tuple[Entry, frozenset[str], frozenset[str]], ...]:
    """Entry, what kind of thing it is, and words that are said of it."""
    rows = _document()["definitions"]
    return tuple((_entry(row["of"]), _stems(row["is"]), _stems(row["about"])) for row in rows)


@cache
def _entry(base: str) -> Entry:
    return lexicon().entries[tuple(sorted(plain_words(base)))]


@cache
def _document() -> dict[str, Any]:
    text = files("vlp3d_core.text").joinpath("descriptions.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document

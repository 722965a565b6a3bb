"""The phrases that `find` is tried with: written by hand (search_phrases.json), or made of the lexicon by a seed.

The wordings around names are none of those that the text tower was trained on. Half of the phrases (of those written by
hand: by their hash) are there to improve the search with; the other half, with its own wordings, is what is reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import cycle, islice
from random import Random
from typing import Any

from vlp3d_core.text.concepts import Concept, concepts
from vlp3d_core.text.spelling import known_words

HALVES = ("development", "report")
CONCEPT_KINDS = ("name", "synonym", "misspelling", "language")
"""Of phrases that name a structure."""
FREE_KINDS = ("layman", "description", "place", "side")
"""Of phrases that say it in other words, or where it lies."""
REFUSED_KINDS = ("finding", "outside", "nonsense", "other", "absent")
"""Of phrases without an answer: "absent" is a structure that the volume does not show."""
CARRIERS = {
    "development": (
        "{x}", "take me to the {x}", "can you jump to the {x}?", "{x} please, only that", "zoom in on the {x}",
        "let us have a look at the {x}",
    ),
    "report": (
        "{x}", "I am looking for the {x}", "where do I find the {x}?", "go to the {x}", "could you point out the {x}",
        "centre the view on the {x}", "bring up the {x}", "scroll to the {x}", "what does the {x} look like here?",
    ),
}  # fmt: skip
"""Half → wordings around a name; the first is the bare name."""
NAMES, SYNONYMS, MISSPELLINGS, OUTSIDE, NONSENSE, ABSENT = 4, 4, 6, 60, 50, 2
"""How many are made: for each structure, and of each kind of what names none of them. Halves take turns."""
KEYS = ("qwertzuiop", "asdfghjkl", "yxcvbnm")
SYLLABLES = ("bla", "kro", "vim", "tep", "zu", "nor", "flo", "dra", "quim", "sep", "wug", "jil", "gro", "pux")


@dataclass(frozen=True)
class Query:
    """A phrase, and what is right.

    Attributes:
        kind: one of the kinds above.
        concepts: what it asks for, of what the model knows; nothing: there is no answer.
        half: one of `HALVES`, or "blind" (search_regions.py).
        one: one of the concepts is answer enough (what lies below the mandible?).
        anchors: what the place that it asks for is relative to.
    """

    text: str
    kind: str
    concepts: tuple[str, ...]
    half: str
    one: bool = False
    anchors: tuple[str, ...] = ()


def queries(known: Collection[str], seed: int = 0) -> list[Query]:
    """All phrases for a model that knows these concepts, each text once; not those of `absent`."""
    ids = [name for name in known if name in concepts()]
    made = [*written(_rows(), ids), *_named(ids, seed), *_outside(ids, seed), *_nonsense(seed)]
    return list({query.text.casefold(): query for query in reversed(made)}.values())[::-1]


def absent(name: str, seed: int = 0) -> list[Query]:
    """Phrases for a structure in a volume that does not show it."""
    random = Random(f"{seed}/absent/{name}")
    own = concepts()[name].name.lower()
    return [Query(_carried(half, own, random), "absent", (), half) for half in _halves(ABSENT)]


def written(rows: Iterable[Mapping[str, Any]], known: Collection[str], half: str = "") -> Iterator[Query]:
    """The phrases of rows of search_phrases.json, or of a file like it.

    Args:
        known: concepts that there are answers for; a phrase that asks for others is "outside".
        half: of all of them; nothing: by their hash.
    """
    for row in rows:
        wanted, anchors = (tuple(row.get(key, ())) for key in ("concepts", "anchors"))
        wanted = tuple(name for name in wanted if name in known and {*anchors} <= {*known})
        lost = bool(row["concepts"]) and not wanted and row["kind"] != "finding"
        kind = "outside" if lost else row["kind"]
        for text in row["texts"]:
            own = half or HALVES[hashlib.sha256(text.encode()).digest()[0] % 2]
            yield Query(text, kind, wanted, own, row.get("any", False), anchors)


def _named(known: Sequence[str], seed: int) -> Iterator[Query]:
    for name in known:
        concept, random = concepts()[name], Random(f"{seed}/{name}")
        own = concept.name.lower()
        for half in _halves(NAMES):
            yield Query(_carried(half, own, random), "name", (name,), half)
        words = [word for word in concept.synonyms if word not in concept.adjectives]
        for half, word in zip(_halves(SYNONYMS), random.sample(words, min(SYNONYMS, len(words))), strict=False):
            yield Query(_carried(half, f"{concept.side} {word}".strip(), random), "synonym", (name,), half)
        for half in _halves(MISSPELLINGS if _long_words(concept) else 0):
            yield Query(_carried(half, _misspelt(concept, random), random), "misspelling", (name,), half)


def _outside(known: Sequence[str], seed: int) -> Iterator[Query]:
    """Structures that the model does not know."""
    random = Random(f"{seed}/outside")
    others = [c for c in concepts().values() if c.id not in known and c.kind == "structure"]
    for half, concept in zip(_halves(OUTSIDE), random.sample(others, min(OUTSIDE, len(others))), strict=False):
        yield Query(_carried(half, concept.name.lower(), random), "outside", (), half)


def _nonsense(seed: int) -> Iterator[Query]:
    random = Random(f"{seed}/nonsense")
    for half in _halves(NONSENSE):
        word = "".join(random.choices(SYLLABLES, k=random.choice((2, 3, 4))))
        yield Query(_carried(half, random.choice(("", "", "left ", "right ")) + word, random), "nonsense", (), half)


def _halves(count: int) -> Iterator[str]:
    return islice(cycle(HALVES), count)


def _carried(half: str, text: str, random: Random) -> str:
    return random.choice(CARRIERS[half]).replace("{x}", text)


def _long_words(concept: Concept) -> list[int]:
    """Where words stand in its name that are long enough to be known after a slip of the fingers."""
    words = concept.name.lower().split()
    return [place for place, word in enumerate(words) if len(word) >= 5 and word != concept.side]


def _misspelt(concept: Concept, random: Random) -> str:
    """One slip of the fingers in one word of the name, so that no other word comes out that means something."""
    words, place = concept.name.lower().split(), random.choice(_long_words(concept))
    while True:
        slip = _slip(words[place], random)
        if slip != words[place] and slip not in known_words():
            return " ".join([*words[:place], slip, *words[place + 1 :]])


def _slip(word: str, random: Random) -> str:
    at = random.randrange(1, len(word) - 1)
    what = random.choice(("swapped", "dropped", "doubled", "neighbour"))
    if what == "swapped":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if what == "dropped":
        return word[:at] + word[at + 1 :]
    if what == "doubled":
        return word[:at] + word[at] + word[at:]
    row = next((keys for keys in KEYS if word[at] in keys), word[at])
    beside = [row[n] for n in (row.index(word[at]) - 1, row.index(word[at]) + 1) if 0 <= n < len(row)]
    return word[:at] + random.choice(beside or [word[at]]) + word[at + 1 :]


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    text = files("vlp3d_core.evaluate").joinpath("search_phrases.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["phrases"])

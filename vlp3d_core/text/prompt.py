"""From a user's text to concepts: what is asked for, what is excluded, and what is not understood."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache

from vlp3d_core.text.clauses import items_of
from vlp3d_core.text.concepts import Concept, ambiguous, concepts
from vlp3d_core.text.lexicon import Key, content_of, fillers, key_of
from vlp3d_core.text.listing import resolve_items
from vlp3d_core.text.spelling import correct, is_known
from vlp3d_core.text.wholes import known_as
from vlp3d_core.text.words import LONGEST, Token, tokenise

SUGGESTIONS = 5
"""Names offered for what was not understood."""
ALIKE = 50
"""Names are offered from that likeness (0 to 100) on: "my invoice" is not nearly "larynx"."""


@dataclass(frozen=True)
class Prompt:
    """A parsed text.

    Attributes:
        text: as the user wrote it.
        concepts: asked for, in the order of the text, each once. Empty when nothing was understood.
        negated: excluded ("no lesion", "without the liver"). "Everything except the heart" has only these.
        suggestions: display names close to what was not understood, best first.
        unknown: the parts of the text that were not understood. Nothing was guessed for them; a list may hold
            understood and unknown items side by side, and the caller decides whether to go on.
    """

    text: str
    concepts: tuple[Concept, ...] = ()
    negated: tuple[Concept, ...] = ()
    suggestions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def parse_prompt(text: str, known: Collection[str] | None = None) -> Prompt:
    """Concepts that a text names, whatever its wording, letter case, spelling or side position.

    Args:
        text: free text, one or several structures ("liver, both kidneys and the third left rib").
        known: concept ids to which suggestions are limited, and in which what is meant is said where they are the same
            ("spine": the vertebral column, or else each vertebra). Other concepts are still recognised.
    """
    tokens = [replaced for token in tokenise(text) for replaced in _meant(token, text, known or ()) or _spelled(token)]
    items = items_of(tokens)
    wanted: dict[str, None] = {}
    negated: dict[str, None] = {}
    unknown: list[str] = []
    for item, ids in resolve_items(items):
        if not ids:
            unknown.append(item.raw)
        elif item.negated:
            negated.update(dict.fromkeys(ids))
        else:
            wanted.update(dict.fromkeys(ids))
    if not items and text.strip():
        unknown.append(" ".join(text.split())[:LONGEST])
    meant = wanted if known is None else known_as(wanted, known)
    excluded = negated if known is None else known_as(negated, known)
    asked = tuple(concepts()[i] for i in meant if i not in excluded)
    suggestions = suggest(unknown, known) if unknown else ()
    return Prompt(text, asked, tuple(concepts()[i] for i in excluded), suggestions, tuple(unknown))


def suggest(parts: Sequence[str], known: Collection[str] | None = None) -> tuple[str, ...]:
    """Display names of the concepts closest to some words, best first, at most SUGGESTIONS."""
    from rapidfuzz import fuzz, process  # not at the top: see spelling.correct

    best: dict[str, float] = {}
    for part in list(dict.fromkeys(parts))[:SUGGESTIONS]:
        query = " ".join(token.word for token in tokenise(part) if token.word not in fillers())
        best |= {i: 100.0 for i in _meanings().get(_key(part), ()) if known is None or i in known}
        scores = process.extract(query, _phrases(), scorer=fuzz.ratio, score_cutoff=ALIKE, limit=40)
        scores += process.extract(query, _phrases(), scorer=fuzz.token_set_ratio, score_cutoff=80, limit=40)
        for _, score, row in scores:
            for i in _phrase_ids()[row]:
                if known is None or i in known:
                    best[i] = max(best.get(i, 0.0), score)
    ranked = sorted(best, key=lambda i: -best[i])
    return tuple(concepts()[i].name for i in ranked[:SUGGESTIONS])


def _meant(token: Token, text: str, known: Collection[str]) -> list[Token]:
    """What an ambiguous abbreviation in capitals stands for where the model knows one of its meanings alone ("GP")."""
    abbreviation = token.raw.upper()
    if len(abbreviation) > 3 or not re.search(rf"(?<![^\W_]){re.escape(abbreviation)}(?![^\W_])", text):
        return []
    meanings: dict[str, tuple[str, ...]] = {}
    for i in ambiguous().get(abbreviation, ()):
        name = _without_side(concepts()[i])
        meanings[name] = (*meanings.get(name, ()), i)
    fitting = [name for name, ids in meanings.items() if {*known_as(ids, known)} <= {*known}]
    return tokenise(fitting[0]) if len(fitting) == 1 else []


def _without_side(concept: Concept) -> str:
    return concept.name[len(concept.side) :].strip()


def _spelled(token: Token) -> list[Token]:
    if token.kind == "separator" or is_known(token.word):
        return [token]
    corrected = correct(token.raw) or correct(token.word)
    return [replace(token, word=word) for word in corrected] or [token]


@cache
def _meanings() -> dict[Key, tuple[str, ...]]:
    """What ambiguous words may mean."""
    return {_key(word): ids for word, ids in ambiguous().items()}


def _key(text: str) -> Key:
    return key_of(content_of(tokenise(text))[0])


@cache
def _phrase_table() -> tuple[tuple[str, tuple[str, ...]], ...]:
    rows = [(phrase.casefold(), (c.id,)) for c in concepts().values() for phrase in (c.name, *c.synonyms)]
    return tuple(dict.fromkeys(rows))


@cache
def _phrases() -> tuple[str, ...]:
    return tuple(phrase for phrase, _ in _phrase_table())


@cache
def _phrase_ids() -> tuple[tuple[str, ...], ...]:
    return tuple(ids for _, ids in _phrase_table())

"""Structures that are described instead of named: "the gland in front of the right ear"."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from vlp3d_core.text.lexicon import Entry, lexicon
from vlp3d_core.text.words import common_form, plain_words


@cache
def _descriptions() -> tuple[tuple[Entry, tuple[frozenset[str], ...]], ...]:
    rows = _document()["descriptions"]
    return tuple(
        (_entry(row["of"]), tuple(frozenset(map(common_form, alternatives)) for alternatives in row["all"]))
        for row in rows
    )


@cache
def _connectives() -> frozenset[str]:
    return frozenset(common_form(word) for word in _document()["connectives"])


@cache
def described_words() -> frozenset[str]:
    """Every word that a description may hold."""
    return _connectives().union(*(alternatives for _, needed in _descriptions() for alternatives in needed))


def described(content: Sequence[str]) -> Entry | None:
    """The entry that a phrase describes, or None.

    A description fits when each of its word sets is met and nothing is left over but connecting words. The one with
    the most sets wins; None when two different structures fit equally well.
    """
    present = frozenset(content)
    if len(present) < 2:
        return None
    best: list[Entry] = []
    most = 0
    for entry, needed in _descriptions():
        if len(needed) < most or not all(present & alternatives for alternatives in needed):
            continue
        if present <= _connectives().union(*needed):
            best = [*best, entry] if len(needed) == most else [entry]
            most = len(needed)
    return best[0] if best and all(entry is best[0] for entry in best) else None


@cache
def _entry(base: str) -> Entry:
    return lexicon().entries[tuple(sorted(plain_words(base)))]


@cache
def _document() -> dict[str, Any]:
    text = files("vlp3d_core.text").joinpath("descriptions.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document

"""A structure in the words of a model: "the spine" for one that knows it whole, "the liver" for one of its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache

from vlp3d_core.text.concepts import concepts, same

Ids = tuple[str, ...]


def known_as(wanted: Iterable[str], known: Collection[str]) -> Ids:
    """Concept ids with all that make up one structure put in the place of each other where the model knows the others.

    Only what is meant as a whole changes: "L1 to L5" are not the vertebral column.
    """
    ids = tuple(wanted)
    for asked, meant in _ways():
        if set(asked) <= set(ids) and not set(asked) & set(known) and set(meant) <= set(known):
            first = ids.index(next(i for i in ids if i in asked))
            ids = (*ids[:first], *meant, *(i for i in ids[first:] if i not in asked))
    return tuple(dict.fromkeys(ids))


@cache
def _ways() -> tuple[tuple[Ids, Ids], ...]:
    return tuple(way for one, other in _pairs() for way in ((one, other), (other, one)))


def _pairs() -> Iterator[tuple[Ids, Ids]]:
    for concept in concepts().values():
        if concept.parts:
            yield (concept.id,), concept.parts
    yield from same()

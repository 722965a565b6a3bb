"""Are phrases understood? Without a model and without volumes, for a list of concepts.

* **Resolved**: understood as exactly the structures that it asks for, and nothing in it unknown. A phrase about a
  place: read as a place that is relative to what it names, or understood as one of the structures that lie there. What
  lies there is not asked, which takes a volume.
* **Refused**: `find` could show nothing for it, whatever the volume.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from vlp3d_core.evaluate.search import Answer
from vlp3d_core.evaluate.search_queries import Query
from vlp3d_core.text.prompt import Prompt, parse_prompt
from vlp3d_core.text.relation import Relation, parse_relation


def understood(prompt: Prompt, known: Collection[str]) -> tuple[str, ...]:
    """Ids of what a text was taken to ask for, of what a model knows; nothing where a part of it is unknown, for `find`
    shows nothing then."""
    return () if prompt.unknown else tuple(concept.id for concept in prompt.concepts if concept.id in known)


def read_query(query: Query, known: Collection[str]) -> Answer:
    """How a phrase is understood; the subject is the phrase itself, for an interval over phrases.

    Args:
        known: concepts that a model would have.
    """
    prompt = parse_prompt(query.text, known)
    relation = parse_relation(query.text, known) if prompt.unknown else None
    given = understood(prompt, known)
    answer = Answer(query.text, query.text, query.kind, query.half, given, 0.0)
    if not query.concepts:
        return replace(answer, refused=float(not given and not _answered(relation, known)))
    named, wanted = {*given}, {*query.concepts}
    resolved = named == wanted or (query.one and bool(named) and named <= wanted)
    if relation is not None and query.anchors:
        anchors = {concept.id for group in relation.anchors for concept in group}
        # "Medial to the left one" is read as between both.
        resolved = {*query.anchors} <= anchors and _answered(relation, known)
    return replace(answer, resolved=float(resolved))


def _answered(relation: Relation | None, known: Collection[str]) -> bool:
    """Whether something could lie there: `predict.find` refuses places relative to, or of, what a model lacks."""
    if relation is None:
        return False
    groups = [*relation.anchors, *([relation.targets] if relation.targets else [])]
    return all(any(concept.id in known for concept in group) for group in groups)

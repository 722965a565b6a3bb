"""Regions that a text asks for, by name or by place: what `find` answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.predict.place import regions_at
from vlp3d_core.predict.region import Region, regions_of
from vlp3d_core.text.concepts import Concept
from vlp3d_core.text.near import near_concepts
from vlp3d_core.text.prompt import SUGGESTIONS, Prompt, parse_prompt
from vlp3d_core.text.relation import Relation, parse_relation


@dataclass(frozen=True)
class Regions:
    """The answer to a query: regions, best first; when there are none, `notes` say why."""

    prompt: Prompt
    regions: tuple[Region, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> Region:
        return self.regions[index]


def find_regions(bundle: Bundle, encoded: Encoded, text: str, k: int) -> Regions:
    """Up to `k` regions for a text; see `LoadedModel.find`."""
    prompt = parse_prompt(text, known=bundle.concepts)
    relation = parse_relation(text, bundle.concepts) if prompt.unknown else None
    if relation is not None:
        return _at(bundle, encoded, relation, Prompt(text), k)
    notes = [*encoded.notes, *_explain(prompt, bundle)]
    if prompt.unknown:  # half an answer would look like a whole one: "mandible with a flurb" is not the mandible
        return Regions(prompt, (), tuple(notes))
    lacking = [concept for concept in prompt.concepts if concept.id not in bundle.concepts]
    offered = dict.fromkeys(near.name for concept in lacking for near in near_concepts(concept, bundle.concepts))
    prompt = replace(prompt, suggestions=tuple(offered)[:SUGGESTIONS])
    first: list[Region] = []
    further: list[Region] = []
    for concept in prompt.concepts:
        if concept.id in bundle.concepts:
            regions = regions_of(bundle, encoded, concept)
            if not regions:
                notes.append(_nothing(bundle, encoded, concept))
            first += regions[:1]
            further += regions[1:]
    # The largest region of every structure first, then the smaller pieces: "both kidneys" means one of each.
    ordered = [*sorted(first, key=_score), *sorted(further, key=_further)]
    return Regions(prompt, tuple(ordered[:k]), tuple(notes))


def _at(bundle: Bundle, encoded: Encoded, relation: Relation, prompt: Prompt, k: int) -> Regions:
    """What lies there, best first; the notes say how the text was read."""
    targets = tuple(concept for concept in relation.targets if concept.id in bundle.concepts)
    read = replace(relation, targets=targets or relation.targets)
    notes = [*encoded.notes, f"Read as {read.text()}. Sides are the patient's."]
    anchors: list[list[Region]] = []
    for group in relation.anchors:
        known = [concept for concept in group if concept.id in bundle.concepts]
        found = [region for concept in known for region in regions_of(bundle, encoded, concept)[:1]]
        if not known:
            notes += _lacks(group[:1], bundle)
        elif not found:
            notes.append(_nothing(bundle, encoded, known[0]))
        anchors.append(found)
    if not all(anchors):
        return Regions(prompt, (), tuple(notes))
    if relation.targets and not targets:
        return Regions(prompt, (), (*notes, *_lacks(relation.targets[:1], bundle)))
    taken = {concept.id for group in relation.anchors for concept in group}
    candidates = targets or [concept for concept in bundle.structures.values() if concept.id not in taken]
    regions = [region for concept in candidates for region in regions_of(bundle, encoded, concept)]
    placed = regions_at(relation.kind, anchors, regions)
    if not placed:
        notes.append(f"Nothing that {bundle.card['title']} has found lies there.")
    return Regions(prompt, tuple(placed[:k]), tuple(notes))


def _nothing(bundle: Bundle, encoded: Encoded, concept: Concept) -> str:
    peak = float(encoded.peak[bundle.concepts.index(concept.id)])
    return f"Nothing found for {concept.name.lower()} (highest probability {peak:.2f})."


def _score(region: Region) -> float:
    return -region.score


def _further(region: Region) -> tuple[bool, float]:
    """Instances stay in the order of their size, before the pieces of what lies on top of them."""
    return (False, 0.0) if region.encoded.instances else (True, _score(region))


def _explain(prompt: Prompt, bundle: Bundle) -> list[str]:
    notes = _lacks([concept for concept in prompt.concepts if concept.id not in bundle.concepts], bundle)
    if prompt.unknown:
        hint = f"Did you mean {', '.join(prompt.suggestions)}?" if prompt.suggestions else _knows(bundle)
        notes.append(f"Unknown: {', '.join(prompt.unknown)}. {hint}")
    elif not prompt.concepts:
        negated = ", ".join(c.name.lower() for c in prompt.negated)
        notes.append(f"The text asks for nothing{f' (it only excludes {negated})' if negated else ''}.")
    return notes


def _lacks(wanted: Sequence[Concept], bundle: Bundle) -> list[str]:
    """A note for each concept that the model does not know."""
    notes = []
    for one in wanted:
        near = ", ".join(concept.name.lower() for concept in near_concepts(one, bundle.concepts))
        hint = f"Akin to it are {near}." if near else _knows(bundle)
        notes.append(f"Unknown to {bundle.card['title']}: it does not know {one.name.lower()}. {hint}")
    return notes


def _knows(bundle: Bundle) -> str:
    some = ", ".join(bundle.structures[name].name.lower() for name in bundle.concepts[:12])
    return f"{bundle.card['title']} knows {some}."

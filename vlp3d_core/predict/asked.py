"""What a list of structures asks of a model, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from vlp3d_core.errors import UsageError
from vlp3d_core.model.bundle import OWN, Bundle
from vlp3d_core.text.concepts import Concept
from vlp3d_core.text.near import MOST, near_concepts
from vlp3d_core.text.prompt import Prompt, parse_prompt
from vlp3d_core.text.relation import parse_relation


class NotTrained(UsageError):
    """What was asked for is known, and the model was not trained on it.

    Attributes:
        missing: its name.
    """

    def __init__(self, missing: str, bundle: Bundle, remedy: str) -> None:
        super().__init__(f"{bundle.name} was not trained on {missing}.", remedy)
        self.missing = missing


def asked_structures(text: str, bundle: Bundle) -> tuple[str, ...]:
    """Concept ids for a list as people type it: "left kidney, liver", "kidney, left", "both parotids", ids.

    The list is read as a whole, because a comma may stand within a name ("kidney, left"). Where every part between
    two commas is understood alone and all parts together mean the same, each part must be known to the model; else a
    structure that the model lacks could hide behind one that it has. Ids mean themselves: "neurite, membrane" is two of
    them, and in prose the membrane of a neurite.

    Raises:
        UsageError: something in it is unknown, or names nothing that the model was trained on.
    """
    names = bundle.concepts
    ids = [part.strip() for part in text.split(",")]
    if all(one in names for one in ids):
        return tuple(dict.fromkeys(ids))
    own, text = _own_structures(text, bundle)
    if own and not text:
        return own
    whole = parse_prompt(text, known=names)
    check_words(whole, text, bundle)
    parts = [parse_prompt(part, known=names) for part in text.split(",") if part.strip()]
    together = {c.id for part in parts for c in part.concepts}
    if any(part.unknown for part in parts) or together != {c.id for c in whole.concepts}:
        parts = [whole]
    for part in parts:
        check_known(part.concepts, bundle)
    return (*own, *(c.id for c in whole.concepts if c.id in names))


def _own_structures(text: str, bundle: Bundle) -> tuple[tuple[str, ...], str]:
    """Ids of the structures of the model's own that stand between two commas by their exact name, and the rest."""
    names = {
        word.casefold(): c.id for c in bundle.structures.values() if c.id.startswith(OWN) for word in (c.id, c.name)
    }
    parts = text.split(",") if names else [text]
    own = dict.fromkeys(names[p.strip().casefold()] for p in parts if p.strip().casefold() in names)
    return tuple(own), ",".join(p for p in parts if p.strip().casefold() not in names) if own else text


def check_query(text: str, bundle: Bundle) -> None:
    """Raise UsageError for a query of `find` that cannot be answered, whatever the volume shows."""
    prompt = parse_prompt(text, known=bundle.concepts)
    relation = parse_relation(text, bundle.concepts) if prompt.unknown else None
    if relation is None:
        check_words(prompt, text, bundle)
        check_known(prompt.concepts, bundle)
        return
    for group in (*relation.anchors, relation.targets):
        check_known(group, bundle)


def check_words(prompt: Prompt, text: str, bundle: Bundle) -> None:
    """Raise UsageError where a text has unknown words or asks for nothing; it names suggestions."""
    if prompt.unknown:
        parts = ", ".join(repr(part) for part in prompt.unknown)
        known = f"Known are: {_listed(bundle)}."
        raise UsageError(
            f"{parts} {'is no known structure' if len(prompt.unknown) == 1 else 'are no known structures'}.",
            f"Did you mean {' or '.join(n.lower() for n in prompt.suggestions[:3])}?" if prompt.suggestions else known,
        )
    if not prompt.concepts:
        raise UsageError(f"{text!r} asks for no structure.", f"{bundle.name} knows: {_listed(bundle)}.")


def check_known(wanted: Sequence[Concept], bundle: Bundle) -> None:
    """Raise NotTrained where the model knows none of the concepts."""
    if wanted and not any(c.id in bundle.concepts for c in wanted):
        missing = " and ".join(c.name.lower() for c in wanted[:3])
        akin = dict.fromkeys(c.name.lower() for one in wanted for c in near_concepts(one, bundle.concepts))
        hint = f"Akin to it are {', '.join(list(akin)[:MOST])}; it" if akin else "It"
        raise NotTrained(missing, bundle, f"{hint} knows: {_listed(bundle)}.")


def _listed(bundle: Bundle, most: int = 20) -> str:
    names, known = bundle.concepts, bundle.structures
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(known[name].name.lower() for name in names[:most]) + more

"""What a list of structures asks of a model, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from vlp3d_core.errors import UsageError
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.text.concepts import Concept, concepts
from vlp3d_core.text.prompt import Prompt, parse_prompt


def asked_structures(text: str, bundle: Bundle) -> tuple[str, ...]:
    """Concept ids for a list as people type it: "left kidney, liver", "kidney, left", "both parotids", ids.

    The list is read as a whole, because a comma may stand within a name ("kidney, left"). Where every part between
    two commas is understood alone and all parts together mean the same, each part must be known to the model; else a
    structure that the model lacks could hide behind one that it has.

    Raises:
        UsageError: something in it is unknown, or names nothing that the model was trained on.
    """
    names = bundle.concepts
    whole = parse_prompt(text, known=names)
    check_words(whole, text, bundle)
    parts = [parse_prompt(part) for part in text.split(",") if part.strip()]
    together = {c.id for part in parts for c in part.concepts}
    if any(part.unknown for part in parts) or together != {c.id for c in whole.concepts}:
        parts = [whole]
    for part in parts:
        check_known(part.concepts, bundle)
    return tuple(c.id for c in whole.concepts if c.id in names)


def check_words(prompt: Prompt, text: str, bundle: Bundle) -> None:
    """Raise UsageError where a text has unknown words or asks for nothing; it names suggestions."""
    if prompt.unknown:
        parts = ", ".join(repr(part) for part in prompt.unknown)
        known = f"Known are: {_listed(bundle.concepts)}."
        raise UsageError(
            f"{parts} {'is no known structure' if len(prompt.unknown) == 1 else 'are no known structures'}.",
            f"Did you mean {' or '.join(n.lower() for n in prompt.suggestions[:3])}?" if prompt.suggestions else known,
        )
    if not prompt.concepts:
        raise UsageError(f"{text!r} asks for no structure.", f"{bundle.name} knows: {_listed(bundle.concepts)}.")


def check_known(wanted: Sequence[Concept], bundle: Bundle) -> None:
    """Raise UsageError where the model knows none of the concepts."""
    if wanted and not any(c.id in bundle.concepts for c in wanted):
        missing = " and ".join(c.name.lower() for c in wanted[:3])
        raise UsageError(f"{bundle.name} was not trained on {missing}.", f"It knows: {_listed(bundle.concepts)}.")


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(concepts()[name].name.lower() for name in names[:most]) + more

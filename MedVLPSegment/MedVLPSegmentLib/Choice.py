"""Which model fits a volume best, and why: by modality, spacing and extent. Where several do, the worker looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.model.fitting import Facts, apart, lengths, misfit, needs
from vlp3d_core.text.concepts import concepts


@dataclass(frozen=True)
class Choice:
    """A model and the reason for it; `name` is "" where none fits.

    Attributes:
        fits: False where a user should think twice: another modality, or none that is known.
        several: whether other models may fit as well, so that what the volume shows must decide.
    """

    name: str
    reason: str
    fits: bool = True
    several: bool = False


def chooseModel(models: Sequence[dict[str, Any]], facts: Facts) -> Choice:
    """Of the usable models that may fit a volume, the one whose spacing is nearest to the volume's.

    Args:
        models: as `Worker.models` gives them.
    """
    usable = [model for model in models if not model["problem"]]
    if not usable:
        return Choice("", _("There is no model that can be used."), False)
    same = [model for model in usable if not misfit(model, facts)]
    if not same:
        told = "; ".join(f"{model['title'] or model['name']} {needs(model)}" for model in usable)
        reason = _("No model fits this volume ({facts}). What they need: {told}.")
        return Choice("", reason.format(facts=facts.text(), told=told), False)
    best = min(same, key=lambda model: apart(model["spacing"], facts.spacing))
    return Choice(best["name"], _reason(best, same, facts), bool(facts.modality), len(same) > 1)


def judge(model: dict[str, Any], modality: str) -> Choice:
    """What to say of a model that the user chose."""
    if model["problem"]:
        return Choice(model["name"], model["problem"], False)
    if modality and model["modality"] not in ("", modality):
        reason = _("This model was trained on {expected}, but the volume is {modality}.")
        return Choice(model["name"], reason.format(expected=model["modality"], modality=modality), False)
    return Choice(model["name"], fieldText(model))


def fieldText(model: dict[str, Any]) -> str:
    """What the volume must show, in words; "" where the model does not say."""
    known = concepts()
    anchors = [known[c].name.lower() if c in known else c for c in model["field"].get("anchors", ())]
    if not anchors:
        return ""
    return _("The volume must show one of: {anchors}.").format(anchors=", ".join(anchors))


def _reason(model: dict[str, Any], same: Sequence[dict[str, Any]], facts: Facts) -> str:
    title = model["title"] or model["name"]
    if not facts.modality:
        first = _("{title}: the volume does not say its modality, so check that it is {expected}.")
    elif len(same) == 1:
        first = _("{title}: the only model for it ({expected}).")
    else:
        first = _("{title}: for {expected}, and nearest to the volume's spacing ({spacing}).")
    expected = model["modality"] or _("the right one")
    text = first.format(title=title, expected=expected, spacing=lengths(facts.spacing))
    return f"{text} {fieldText(model)}".strip()

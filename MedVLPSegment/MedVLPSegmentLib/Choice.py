"""Which model fits a volume best, and why: by modality and spacing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.text.concepts import concepts


@dataclass(frozen=True)
class Choice:
    """A model and the reason for it; `name` is "" where none fits.

    Attributes:
        fits: False where a user should think twice: another modality, or none that is known.
    """

    name: str
    reason: str
    fits: bool = True


def chooseModel(models: Sequence[dict[str, Any]], modality: str, spacing: Sequence[float]) -> Choice:
    """The usable model of the volume's modality whose spacing is nearest to the volume's.

    Args:
        models: as `Worker.models` gives them.
        modality: "CT", "MR", …; "" where the volume does not say.
        spacing: of the volume, in mm.
    """
    usable = [model for model in models if not model["problem"]]
    if not usable:
        return Choice("", _("There is no model that can be used."), False)
    same = [model for model in usable if not modality or model["modality"] in ("", modality)]
    if not same:
        known = ", ".join(sorted({model["modality"] for model in usable}))
        reason = _("The volume is {modality}, and the models know {known} only.")
        return Choice("", reason.format(modality=modality, known=known), False)
    best = min(same, key=lambda model: _distance(model["spacing"], spacing))
    return Choice(best["name"], _reason(best, same, modality, spacing), bool(modality))


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


def _reason(model: dict[str, Any], same: Sequence[dict[str, Any]], modality: str, spacing: Sequence[float]) -> str:
    title = model["title"] or model["name"]
    if not modality:
        first = _("{title}: the volume does not say its modality, so check that it is {expected}.")
    elif len(same) == 1:
        first = _("{title}: the only model for {expected}.")
    else:
        first = _("{title}: for {expected}, and nearest to the volume's spacing ({spacing} mm).")
    text = first.format(
        title=title, expected=model["modality"] or _("the right one"), spacing=" × ".join(f"{mm:.2g}" for mm in spacing)
    )
    return f"{text} {fieldText(model)}".strip()


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times coarser or finer, as a logarithm: the order of the axes does not matter."""
    pairs = zip(sorted(one), sorted(other), strict=False)
    return sum(abs(math.log(max(a, 1e-9) / max(b, 1e-9))) for a, b in pairs)

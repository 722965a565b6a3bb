"""A model's card as a page for the panel."""

from __future__ import annotations

from html import escape
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.text.concepts import concepts


def cardPage(model: dict[str, Any]) -> str:
    """HTML of a model as `Worker.models` gives it: what it is, structures with scores, data, limits, licence."""
    parts = [f"<h4>{escape(model['title'] or model['name'])}</h4>", f"<p>{escape(model['description'])}</p>"]
    parts.append(f"<p>{escape(_('For research. Not a medical device, not for diagnosis.'))}</p>")
    spacing = " × ".join(f"{mm:.3g}" for mm in model["spacing"])
    facts = [(_("Modality"), model["modality"]), (_("Spacing"), f"{spacing} mm"), (_("Licence"), model["licence"])]
    parts.append(_table(facts))
    parts += [_heading(_("Structures and scores")), _table(_structures(model))]
    if model["data"]:
        parts += [_heading(_("Data")), _table([(_dataName(row), row.get("licence", "")) for row in model["data"]])]
    if model["limits"]:
        items = "".join(f"<li>{escape(limit)}</li>" for limit in model["limits"])
        parts += [_heading(_("Limits")), f"<ul>{items}</ul>"]
    return "".join(parts)


def _structures(model: dict[str, Any]) -> list[tuple[str, str]]:
    known, rows = concepts(), []
    for concept in model["concepts"]:
        score = model["scores"].get(concept) or {}
        text = _("not measured")
        if score.get("dice") is not None:
            text = _("Dice {dice:.2f} in {count} patients").format(dice=score["dice"], count=score.get("n", 0))
        rows.append((known[concept].name if concept in known else concept, text))
    return rows


def _dataName(row: dict[str, Any]) -> str:
    return f"{row.get('name', '')}: {row['use']}" if row.get("use") else str(row.get("name", ""))


def _heading(text: str) -> str:
    return f"<p><b>{escape(text)}</b></p>"


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(a)}&nbsp;&nbsp;</td><td>{escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"

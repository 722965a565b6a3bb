"""A model's card as a page to read (Markdown): everything on it comes from `bundle.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.text.concepts import concepts

SPLITS = ("test", "validation")
METRICS = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "surface_dice": "surface Dice"}
BORDERS = {"membrane_dice": "Dice of membranes", "border_dice": "Dice of their voxels"}


def card_page(bundle: Bundle) -> str:
    """The card in Markdown: what the model is, what it was trained on, what it reached, what it is not for."""
    return "\n".join(_lines(bundle)) + "\n"


def _lines(bundle: Bundle) -> Iterator[str]:
    card, known = bundle.card, bundle.structures
    yield f"# {card['title']} (`{bundle.name}` {card['version']})"
    yield ""
    yield card["description"]
    yield ""
    yield "For research. Not a medical device, not for diagnosis."
    yield ""
    names = [known[c].name if c in known else c for c in bundle.concepts]
    anchors = [known[c].name.lower() if c in known else c for c in card["field"]["anchors"]]
    architecture = card["architecture"]
    facts = {
        "Modality": card["modality"],
        "Structures": ", ".join(names),
        "Spacing of the model": " × ".join(f"{mm:g}" for mm in bundle.spacing) + " mm (R, A, S)",
        "Intensities": "{kind} {low:g} to {high:g}".format(**card["normalisation"]),
        "Must show": f"one of {', '.join(anchors)}; else nothing is reported" if anchors else "anything",
        "Network": _network(architecture),
        **_text(card["text_encoder"]),
        "Weights": f"{card['weights']['bytes'] / 1e6:.1f} MB, SHA-256 {card['weights']['sha256'][:12]}…",
        "Licence": card["licence"],
        "Trained by": f"`{card['recipe']['command']}`, seed {card['recipe']['seed']}",
    }
    yield from _table(("", ""), ((key, value) for key, value in facts.items()))
    yield "## Data"
    yield ""
    yield from _table(("set", "licence", "use"), ((d["name"], d["licence"], d.get("use", "")) for d in card["data"]))
    for split in SPLITS:
        if split in card["scores"]:
            yield from _scores(split, card["scores"][split])
    if "calibration" in card:
        yield from _calibration(bundle.temperature, card["calibration"])
    for split in SPLITS:
        if split in card.get("refusal", {}):
            yield from _refusal(split, card["refusal"][split])
    if card.get("failures", {}).get("pictures"):
        yield from _failures(bundle.name, card["failures"])
    if card.get("limits"):
        yield "## Limits"
        yield ""
        yield from (f"* {limit}" for limit in card["limits"])


def _text(encoder: dict[str, Any]) -> dict[str, str]:
    """A model of classes or instances has none."""
    return {"Text": f"{encoder['name']}, SHA-256 {encoder['sha256'][:12]}…"} if encoder["sha256"] else {}


def _network(architecture: dict[str, Any]) -> str:
    if "network" in architecture:
        return f"{architecture['network']}, {architecture['classes']} classes, {architecture['activation']}"
    options = f"{architecture['encoder']} {architecture['encoder_options']}"
    dimension = architecture.get("dimension")
    return f"{options}, {dimension} embedding channels" if dimension else f"{options}, {architecture['kind']}"


def _scores(split: str, scores: dict[str, Any]) -> Iterator[str]:
    known = concepts()
    yield f"## Scores: {split}"
    yield ""
    if scores.get("kind") == "instances":
        yield from _instance_scores(scores)
        return
    yield f"{scores['subjects']} patients. Mean ± standard deviation over patients [95 % interval of the mean]."
    if scores.get("command"):
        yield f"Measured by `{scores['command']}`."
    yield ""
    rows = []
    for row in [*scores["structures"], scores["mean"]]:
        name = known[row["structure"]].name if row["structure"] in known else "Mean over structures"
        rows.append((name, row["n"], row["missed"], *(_cell(row["metrics"].get(m)) for m in METRICS)))
    yield from _table(("structure", "n", "missed", *METRICS.values()), rows)


def _calibration(temperature: float, measured: dict[str, Any]) -> Iterator[str]:
    low_high = f" [{measured['ece95'][0]:.3f}, {measured['ece95'][1]:.3f}]" if measured.get("ece95") else ""
    yield "## Probabilities"
    yield ""
    yield f"A score is the sigmoid of the network's logit divided by {temperature:.3g}, the temperature that fits the"
    yield f"{measured['cases']} patients of the split {measured['split']} best. Expected calibration error there:"
    yield f"{measured['ece']:.3f}{low_high}; without the temperature {measured['ece_before']:.3f}."
    if measured.get("command"):
        yield f"Measured by `{measured['command']}`."
    yield ""
    yield from _table(("said", "right", "voxels"), map(_reliable, measured["bins"]))
    if measured.get("structures"):
        rows = ((row.get("name", ""), *_reliable(row)) for row in measured["structures"])
        yield from _table(("structure", "said", "right", "voxels"), rows)


def _reliable(row: dict[str, Any]) -> tuple[str, str, str]:
    return f"{row['claimed']:.2f}", f"{row['right']:.2f}", f"{row['voxels']:,}"


def _instance_scores(scores: dict[str, Any]) -> Iterator[str]:
    borders = {key: name for key, name in BORDERS.items() if key in scores}
    yield f"Threshold of the agglomeration {scores['threshold']}, chosen on validation."
    if scores.get("command"):
        yield f"Measured by `{scores['command']}`."
    yield ""
    rows = []
    for name, one in scores["volumes"].items():
        voi = f"{one['voi']:.2f} ({one['voi_split']:.2f} + {one['voi_merge']:.2f})"
        dice = (f"{scores[key][name]:.2f}" for key in borders)
        rows.append((name, one["expected"], one["found"], voi, f"{one['arand']:.2f}", *dice))
    header = ("volume", "instances", "found", "VOI (split + merge)", "adapted Rand error", *borders.values())
    yield from _table(header, rows)


def _refusal(split: str, measured: dict[str, Any]) -> Iterator[str]:
    yield f"## Refusal: {split}"
    yield ""
    yield f"How well the field's {measured['inside']} volumes, of which {measured['taken']} are taken, are told from"
    yield "others: AUROC [95 % interval, bootstrap by volume]. Of the others nothing should be reported."
    if measured.get("command"):
        yield f"Measured by `{measured['command']}`."
    yield ""
    rows = []
    for row in measured["others"]:
        low_high = f" [{row['auroc95'][0]:.3f}, {row['auroc95'][1]:.3f}]" if row.get("auroc95") else ""
        rows.append((row["kind"], row["volumes"], f"{row['auroc']:.3f}{low_high}", row["refused"]))
    yield from _table(("others", "volumes", "AUROC", "refused"), rows)


def _failures(name: str, failures: dict[str, Any]) -> Iterator[str]:
    yield "## Known failures"
    yield ""
    yield f"The worst of the split {failures['split']}, cut where they differ most from the reference."
    if failures.get("command"):
        yield f"Drawn by `{failures['command']}`."
    yield ""
    for picture in failures["pictures"]:
        yield f"![{picture['name']}]({name}/{picture['file']})"
        yield ""
        yield picture["caption"]
        yield ""


def _cell(statistic: dict[str, Any] | None) -> str:
    if not statistic or statistic["mean"] is None:
        return "–"
    spread = f" ± {statistic['sd']:.3f}" if statistic["sd"] is not None else ""
    interval = f" [{statistic['low']:.3f}, {statistic['high']:.3f}]" if statistic["low"] is not None else ""
    return f"{statistic['mean']:.3f}{spread}{interval}"


def _table(header: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
    yield ""

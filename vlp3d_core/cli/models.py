"""`vlp3d models`: list the installed models, show the card of one; add, remove and export models."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.models_add import add_add, add_remove
from vlp3d_core.cli.models_export import add_export
from vlp3d_core.cli.output import print_json, print_note, print_table
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.fitting import needs, shows

if TYPE_CHECKING:
    from vlp3d_core.model.bundle import Bundle

SHOW = "show"
ACTIONS = (SHOW, "add", "remove", "export")


def complete(arguments: list[str]) -> list[str]:
    """`vlp3d models [NAME]` means `vlp3d models show [NAME]`."""
    start = arguments.index("models") + 1
    rest = arguments[start:]
    first = next((word for word in rest if not word.startswith("-")), None)
    if first in ACTIONS or (first is None and {"-h", "--help"} & set(rest)):
        return arguments
    return [*arguments[:start], SHOW, *rest]


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("models", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser(SHOW, help="list the models, or show the card of one; what `vlp3d models` does")
    show.add_argument("name", nargs="?", metavar="NAME", help="show the card of this model")
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the card as a page; with NAME")
    show.set_defaults(act=_show)
    add_add(actions.add_parser("add", help="install a model from a folder or a zip"))
    add_remove(actions.add_parser("remove", help="remove an installed model"))
    add_export(actions.add_parser("export", help="write a model as our zip, as a MONAI bundle, or as ONNX"))
    for action in actions.choices.values():
        action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")


def run(args: argparse.Namespace) -> int:
    code: int = args.act(args)
    return code


def _show(args: argparse.Namespace) -> int:
    from vlp3d_core.model.registry import list_bundles

    bundles = list_bundles()
    if args.markdown and args.name is None:
        raise UsageError("--markdown prints the card of one model.", "Name it.")
    if args.name is None:
        _show_list(bundles, args.json)
        return 0
    bundle = next((bundle for bundle in bundles if bundle.name == args.name), None)
    if bundle is None:
        known = ", ".join(bundle.name for bundle in bundles) or "none"
        raise UsageError(f"There is no model named {args.name}.", f"Installed models: {known}.")
    if bundle.problem:
        raise MedVLPError(f"The model {bundle.name} in {bundle.folder} cannot be used: {bundle.problem}")
    if args.markdown:
        from vlp3d_core.model.card_page import card_page

        print(card_page(bundle), end="")
    elif args.json:
        print_json({"name": bundle.name, "folder": bundle.folder, "card": bundle.card})
    else:
        _show_card(bundle)
    return 0


def _show_list(bundles: list[Bundle], as_json: bool) -> None:
    rows = [_row(bundle) for bundle in bundles]
    if as_json:
        print_json({"models": rows})
        return
    if any(not row["problem"] for row in rows):
        header = ("name", "modality", "field", "structures", "megabytes", "licence", "mean_dice", "folder")
        titles = ("MODEL", "MODALITY", "FIELD", "STRUCTURES", "MB", "LICENCE", "DICE (TEST)", "FOLDER")
        print_table(titles, ([_cell(key, row[key]) for key in header] for row in rows if not row["problem"]))
    else:
        print("No model is installed.")
    for row in rows:
        if row["problem"]:
            print_note(f"{row['name']} in {row['folder']} cannot be used: {row['problem']}")


def _row(bundle: Bundle) -> dict[str, Any]:
    """What the list says about a model; of one with a problem only what can be trusted."""
    row: dict[str, Any] = {"name": bundle.name, "folder": str(bundle.folder), "problem": bundle.problem}
    if bundle.problem:
        return row
    return row | {
        "modality": bundle.card["modality"],
        "field": shows(bundle.card) or "any",
        "structures": len(bundle.concepts),
        "megabytes": round(bundle.card["weights"]["bytes"] / 1e6, 1),
        "licence": bundle.card["licence"],
        "mean_dice": mean_dice(bundle.card),
    }


def mean_dice(card: dict[str, Any]) -> float | None:
    """Mean Dice over structures on the test split, as `vlp3d evaluate segmentation` measured it; None if it did not."""
    value: Any = card.get("scores", {})
    for key in ("test", "mean", "metrics", "dice", "mean"):
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, (int, float)) else None


def _cell(key: str, value: object) -> str:
    if value is None:
        return "-"
    return format(value, {"megabytes": ".1f", "mean_dice": ".2f"}.get(key, ""))


def _show_card(bundle: Bundle) -> None:
    card, known = bundle.card, bundle.structures
    names = [known[concept].name if concept in known else concept for concept in bundle.concepts]
    dice = mean_dice(card)
    facts = {
        "model": f"{bundle.name} {card['version']}",
        "folder": str(bundle.folder),
        "about": card["description"],
        "needs": needs(card),
        "structures": ", ".join(names),
        "spacing": " x ".join(f"{mm:g}" for mm in bundle.spacing) + " mm",
        "data": "; ".join(f"{item['name']} ({item['licence']})" for item in card["data"]),
        "licence": card["licence"],
        "mean Dice": "not measured" if dice is None else f"{dice:.3f} on the test split",
        "recipe": f"{card['recipe']['command']} (seed {card['recipe']['seed']})",
        "text": card["text_encoder"]["name"],
        "weights": f"{card['weights']['bytes'] / 1e6:.1f} MB, SHA-256 {card['weights']['sha256']}",
    }
    print(card["title"])
    for key, value in facts.items():
        print(f"  {key:<11} {value}")

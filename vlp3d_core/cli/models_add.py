"""`vlp3d models add` and `vlp3d models remove`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.output import print_json, print_note
from vlp3d_core.errors import Cancelled, UsageError

if TYPE_CHECKING:
    from vlp3d_core.model.install import Candidate


def add_add(parser: argparse.ArgumentParser) -> None:
    """The options of `add`."""
    parser.add_argument("source", type=Path, metavar="FOLDER|ZIP", help="of a model")
    parser.add_argument("--name", metavar="NAME", help="install it under another name")
    parser.add_argument("--replace", action="store_true", help="replace an installed model of the same name")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(act=_add)


def add_remove(parser: argparse.ArgumentParser) -> None:
    """The options of `remove`."""
    parser.add_argument("name", metavar="NAME", help="of an installed model")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(act=_remove)


def _add(args: argparse.Namespace) -> int:
    from vlp3d_core.model.install import candidate

    if not args.yes and not (sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError("Nobody is there to say yes to the model's licence.", "Give --yes once you have read it.")
    with candidate(args.source, args.name, args.replace) as found:
        facts = _facts(found)
        if not args.yes:
            _tell(facts, sys.stderr if args.json else sys.stdout)
            _ask(found)
        bundle = found.install()
    if args.json:
        print_json(facts | {"folder": bundle.folder})
        return 0
    if args.yes:
        _tell(facts, sys.stdout)
        _note(found)
    print(f"Installed as {bundle.name} in {bundle.folder}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from vlp3d_core.model.install import remove

    folder = remove(args.name)
    if args.json:
        print_json({"name": args.name, "removed": folder})
    else:
        print(f"Removed {args.name} from {folder}")
    return 0


def _facts(found: Candidate) -> dict[str, Any]:
    card = found.bundle.card
    return {
        "name": found.bundle.name,
        "version": card["version"],
        "title": card["title"],
        "licence": card["licence"],
        "modality": card["modality"],
        "structures": list(found.bundle.concepts),
        "bytes": found.size,
        "replaces": found.replaces,
        "notes": list(found.notes),
    }


def _tell(facts: dict[str, Any], stream: Any) -> None:
    print(_plain(facts["title"]), file=stream)
    rows = {
        "model": f"{facts['name']} {facts['version']}",
        "licence": facts["licence"],
        "shows": facts["modality"],
        "structures": ", ".join(facts["structures"]),
        "size": f"{facts['bytes'] / 1e6:.1f} MB",
        "replaces": facts["replaces"],
    }
    for key, value in rows.items():
        if value is not None:
            print(f"  {key:<11} {_plain(str(value))}", file=stream)


def _note(found: Candidate) -> None:
    for note in found.notes:
        print_note(_plain(note))


def _plain(text: str) -> str:
    """A stranger's words without the characters that move a terminal's cursor: what is asked must be what is seen."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _ask(found: Candidate) -> None:
    _note(found)
    print("Install it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nothing was installed.")

"""`vlp3d caption`: write texts for volumes without reports, from what is measured in them.

Nothing leaves this computer.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.output import print_json, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlp3d_core.train.manifest import Case
    from vlp3d_core.volume import Segmentation, Volume

MAKERS = ("facts",)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("caption", description=__doc__)
    parser.add_argument("manifest", type=Path, metavar="M.jsonl")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="M2.jsonl", help="the same with texts")
    parser.add_argument(
        "--maker",
        choices=MAKERS,
        default="facts",
        help="facts: volumes and intensities of the structures in label maps",
    )
    parser.add_argument(
        "--model", metavar="NAME|FOLDER", help="segments volumes that have no label map, so that they can be measured"
    )
    parser.add_argument("--again", action="store_true", help="make earlier captions anew; written reports stay")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from vlp3d_core.train.captions import caption
    from vlp3d_core.train.manifest import read_manifest, write_manifest

    cases = read_manifest(args.manifest)
    with progress_bar(args.json) as progress:
        made = caption(cases, _segmenter(args.model), args.again, progress)
    resolved = [_absolute(case) for case in made.cases]
    write_manifest(resolved, args.output)
    texts = sum(bool(case.report) for case in resolved)
    if args.json:
        print_json({"manifest": args.output, "volumes": len(resolved), "with_text": texts, "notes": made.notes})
        return 0
    for note in made.notes:
        print(f"note: {note}")
    print(f"{args.output}: {texts} of {len(resolved)} volumes have a text; read and correct them there")
    return 0


def _segmenter(model: str | None) -> Callable[[Volume], Segmentation] | None:
    if model is None:
        return None
    from vlp3d_core import load_model

    segment: Callable[[Volume], Segmentation] = load_model(model).segment
    return segment


def _absolute(case: Case) -> Case:
    """The new manifest may lie in another folder than the old one."""
    return replace(case, image=case.image.resolve(), label=case.label and case.label.resolve())

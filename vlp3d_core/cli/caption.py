"""`vlp3d caption`: write texts for volumes without reports.

facts (the default) measures the structures of label maps; vlm lets an image-to-text model describe axial slices;
endpoint asks a language model behind an OpenAI-compatible address. With facts and vlm nothing leaves this computer.
Reports that people wrote, and captions that they corrected, stay. The same command goes on where one was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlp3d_core.cli.caption_maker import add_maker, make_maker
from vlp3d_core.cli.options import check_folders
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.errors import Cancelled

SHOWN = 20


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("caption", description=__doc__)
    parser.add_argument("manifest", type=Path, metavar="M.jsonl")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="M2.jsonl", help="the same with texts")
    parser.add_argument(
        "--again", action="store_true", help="make earlier captions anew, corrected ones too; written reports stay"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_maker(parser)


def run(args: argparse.Namespace) -> int:
    check_folders([args.output])
    try:
        maker = make_maker(args)
        from vlp3d_core.train.captioning import caption_manifest

        with progress_bar(args.json) as progress:
            made = caption_manifest(args.manifest, args.output, maker, args.again, progress)
    except KeyboardInterrupt:  # before the first volume, or a second time
        raise Cancelled("The same command goes on.") from None
    texts = sum(bool(case.report) for case in made.cases)
    if args.json:
        print_json({"manifest": args.output, "volumes": len(made.cases), "with_text": texts, "notes": made.notes})
        return 0
    for note in made.notes[:SHOWN]:
        print(f"note: {note}")
    if len(made.notes) > SHOWN:
        print(f"note: and {len(made.notes) - SHOWN} more (--json lists all)")
    print(f"{args.output}: {texts} of {len(made.cases)} volumes have a text; read and correct them there")
    return 0

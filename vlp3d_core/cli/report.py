"""`vlp3d report`: one page (HTML) about a training run: curves, retrieval, examples, how it was computed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlp3d_core.cli.output import print_json, print_note, progress_bar
from vlp3d_core.cli.training import check_extra


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("report", description=__doc__)
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="--out of `vlp3d pretrain` or `vlp3d finetune`")
    parser.add_argument("--manifest", type=Path, metavar="M.jsonl", help="where the run's own has moved to")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    check_extra()
    from vlp3d_core.cli.run_report import write_report

    with progress_bar(args.json) as progress:
        written = write_report(args.run_folder, args.manifest, progress)
    if args.json:
        print_json({"page": written.path, "notes": list(written.notes)})
        return 0
    for note in written.notes:
        print_note(note)
    print(f"{written.path}: open it in a browser")
    return 0

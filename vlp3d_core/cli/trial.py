"""`vlp3d trial`: make the first steps of a training job, and say how long it takes and what it needs. Keeps nothing."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlp3d_core.cli.output import print_json, progress_bar


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("trial", description=__doc__)
    parser.add_argument("spec", type=Path, metavar="SPEC.json", help="a job, as for `vlp3d jobs submit`")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from vlp3d_core.service.jobs.spec import read_spec
    from vlp3d_core.service.jobs.trial import trial

    spec = read_spec(args.spec)
    with progress_bar(args.json) as progress:
        found = trial(spec, progress=progress)
    if args.json:
        print_json(asdict(found))
        return 0
    print(f"{found.steps} steps, {found.seconds_per_step:.2f} s each; the whole run: {found.seconds_for_the_run:.0f} s")
    print(f"memory: {found.peak_memory_bytes / 1e9:.2f} GB; disk: {found.disk_bytes / 1e6:.0f} MB")
    return 0

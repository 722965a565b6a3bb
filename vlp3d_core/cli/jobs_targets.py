"""The actions of `vlp3d jobs` about where jobs run: targets, test."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.output import print_json, print_note, print_table
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.slurm.check import check
from vlp3d_core.service.jobs.slurm.profile import Profile, profile_names, read_profile

if TYPE_CHECKING:
    from vlp3d_core.cli.jobs_look import Add

WAIT = 120.0


def add_actions(add: Add) -> None:
    """The parsers of both."""
    add("targets", _targets, "where jobs can run: this computer, and the SLURM profiles")
    test = add("test", _test, "see whether jobs can run on a cluster, by a tiny one")
    test.add_argument("target", metavar="slurm:PROFILE", help="see `vlp3d jobs targets`")
    test.add_argument("--wait", type=float, default=WAIT, metavar="SECONDS", help=f"for the tiny job ({WAIT:.0f})")


def _targets(args: argparse.Namespace) -> int:
    rows = [_row(name) for name in profile_names()]
    rows.insert(0, {"target": "local", "problem": ""})
    if args.json:
        print_json({"targets": rows})
        return 0
    header = ("TARGET", "HOST", "PARTITION", "NODES", "GPUS", "TIME")
    print_table(header, ([str(row.get(key.lower(), "")) for key in header] for row in rows))
    for row in rows:
        if row["problem"]:
            print_note(f"{row['target']}: {row['problem']}")
    return 0


def _row(name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"target": f"slurm:{name}", "problem": ""}
    try:
        profile = read_profile(name)
    except MedVLPError as error:
        return {**row, "problem": str(error)}
    values = {one.name: getattr(profile, one.name) for one in fields(Profile) if one.name != "name"}
    return {**row, **{key: value for key, value in values.items() if value not in ("", (), None)}}


def _test(args: argparse.Namespace) -> int:
    kind, _colon, name = args.target.partition(":")
    jobs = Jobs()
    if kind != "slurm":
        jobs.target(args.target)  # an unknown one is refused
        raise MedVLPError("This computer needs no test.", "Name a SLURM profile: slurm:PROFILE.")
    checks = check(read_profile(name), jobs.root, args.wait)
    good = all(one.problem is None for one in checks)
    if args.json:
        print_json({"target": args.target, "ok": good, "checks": [one.to_json() for one in checks]})
        return 0 if good else 1
    for one in checks:
        print(one.text) if one.problem is None else print_note(str(one.problem))
    return 0 if good else 1

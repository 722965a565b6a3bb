"""`vlp3d jobs`: trainings and evaluations that run on their own, one after the other: submit, watch, stop, resume."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlp3d_core.cli import jobs_look, jobs_targets
from vlp3d_core.cli.output import print_json
from vlp3d_core.service.jobs.book import Jobs


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "jobs",
        description=__doc__,
        epilog="Jobs lie in the user's data folder, or in the one that MEDVLP_JOBS names.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    submit = _action(actions, "submit", _submit, "start a job; prints its id and returns at once")
    submit.add_argument("spec", type=Path, metavar="SPEC.json", help="see docs/jobs.md")
    submit.add_argument("--target", metavar="TARGET", help="local or slurm:PROFILE, instead of the one in the file")
    for part in (jobs_look, jobs_targets):
        part.add_actions(lambda name, work, about: _action(actions, name, work, about))
    for name, work, about in (
        ("cancel", _cancel, "ask a job to save and stop"),
        ("resume", _resume, "go on with a job that failed, was cancelled or lost"),
        ("remove", _remove, "delete a job that has ended, with all that it has made"),
    ):
        add_id(_action(actions, name, work, about))
    export = add_id(_action(actions, "export", _export, "write the result of a job: model, card, report page"))
    export.add_argument("-o", "--output", required=True, type=Path, metavar="ZIP|FOLDER", help="a new one")


def run(args: argparse.Namespace) -> int:
    code: int = args.work(args)
    return code


def add_id(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The job that an action is about."""
    parser.add_argument("id", metavar="ID", help="of the job, its number, or as much of the id as is unique")
    return parser


def _action(actions: Any, name: str, work: Any, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=about)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(work=work)
    return parser


def _submit(args: argparse.Namespace) -> int:
    from vlp3d_core.service.jobs.spec import read_spec

    spec = read_spec(args.spec)
    if args.target:
        spec = replace(spec, target=args.target)
    jobs = Jobs()
    id = jobs.submit(spec)
    if args.json:
        print_json({"id": id, "folder": jobs.root / id})
    else:
        print(id)
    return 0


def _cancel(args: argparse.Namespace) -> int:
    job = Jobs().cancel(args.id)
    return _said(args, job.id, f"{job.id}: asked to save and stop; `vlp3d jobs watch {job.id}` waits for it")


def _resume(args: argparse.Namespace) -> int:
    job = Jobs().resume(args.id)
    return _said(args, job.id, f"{job.id}: queued again")


def _remove(args: argparse.Namespace) -> int:
    job = Jobs().remove(args.id)
    return _said(args, job.id, f"{job.id}: removed")


def _export(args: argparse.Namespace) -> int:
    from vlp3d_core.service.jobs.export import export

    job = Jobs().find(args.id)
    out = export(job, args.output)
    if args.json:
        print_json({"id": job.id, "output": out})
    else:
        print(f"{out}: the result of {job.id}")
    return 0


def _said(args: argparse.Namespace, id: str, text: str) -> int:
    if args.json:
        print_json({"id": id})
    else:
        print(text)
    return 0

"""The actions of `vlp3d jobs` that look: list, show, watch, log."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from vlp3d_core.cli.output import print_json, print_note, print_table
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.log import Follow, read_log
from vlp3d_core.service.jobs.state import ENDED
from vlp3d_core.service.jobs.view import JobView, WatchedJob

if TYPE_CHECKING:
    Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

POLL = 0.5
ID = "of the job, its number, or as much of the id as is unique"


def add_actions(add: Add) -> None:
    """The parsers of all four."""
    add("list", _list, "all jobs, the latest last")
    add("show", _show, "everything about one job").add_argument("id", metavar="ID", help=ID)
    watch = add("watch", _watch, "tell what a job does until it ends; exit code 0 when it is done")
    watch.add_argument("id", metavar="ID", help=ID)
    log = add("log", _log, "what a job's command and its supervisor said")
    log.add_argument("id", metavar="ID", help=ID)
    log.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")


def _list(args: argparse.Namespace) -> int:
    views = Jobs().list()
    if args.json:
        print_json({"jobs": [view.to_json() for view in views]})
        return 0
    if not views:
        print("There are no jobs.")
        return 0
    header = ("ID", "NAME", "KIND", "TARGET", "STATE", "STEP", "LOSS")
    print_table(header, ([v.id, v.name, v.kind, v.target, v.state, _step(v), _number(v, "loss")] for v in views))
    for view in views:
        if view.error is not None:
            print_note(f"{view.id}: {view.error}")
    return 0


def _show(args: argparse.Namespace) -> int:
    view = Jobs().show(args.id)
    if args.json:
        print_json(view.to_json())
        return 0
    facts = {
        "name": view.name,
        "kind": view.kind,
        "target": view.target,
        "state": f"{view.state}, since {view.time}" if view.time else view.state,
        "note": view.note,
        "error": str(view.error or ""),
        "step": _step(view),
        "metrics": ", ".join(f"{name} {value:.4g}" for name, value in view.metrics.items()),
        "folder": str(view.folder),
    }
    print(view.id)
    for key, text in facts.items():
        if text:
            print(f"  {key:<8} {text}")
    return 0


def _watch(args: argparse.Namespace) -> int:
    """A line for each change; with --json an object on a line of its own."""
    import json

    jobs = Jobs()
    watched = WatchedJob(jobs.find(args.id), jobs.state)
    first = True
    while True:
        changed = watched.refresh()
        view = watched.view
        if changed or first:
            print(json.dumps(view.to_json(), allow_nan=False) if args.json else _line(view), flush=True)
        first = False
        if view.state in ENDED:
            return 0 if view.state == "done" else 1
        time.sleep(POLL)


def _log(args: argparse.Namespace) -> int:
    jobs = Jobs()
    job = jobs.find(args.id)
    if not args.follow:
        text = read_log(job.path)
        if args.json:
            print_json({"id": job.id, "log": text})
        else:
            print(text, end="")
        return 0
    follow, watched = Follow(job.path), WatchedJob(job, jobs.state)
    while True:
        watched.refresh()
        ended = watched.view.state in ENDED  # before the log is read, so that its last words are not missed
        print(follow.more(), end="", flush=True)
        if ended:
            return 0
        time.sleep(POLL)


def _line(view: JobView) -> str:
    values = [f"{name} {value:.4g}" for name, value in view.metrics.items()]
    step = f"step {_step(view)}" if view.step is not None else view.doing
    return ", ".join(part for part in (view.state, step, *values, view.note, str(view.error or "")) if part)


def _step(view: JobView) -> str:
    if view.step is None:
        return view.doing
    return f"{view.step + 1}/{view.steps}" if view.steps else str(view.step + 1)


def _number(view: JobView, name: str) -> str:
    return f"{view.metrics[name]:.4g}" if name in view.metrics else ""

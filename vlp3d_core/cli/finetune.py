"""`vlp3d finetune`: train a model on own volumes and labels, from a recipe or a plan made from the volumes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlp3d_core.cli.instances import settle
from vlp3d_core.cli.options import fraction, whole
from vlp3d_core.cli.output import print_json, print_note, progress_bar
from vlp3d_core.cli.training import RESUME, check_extra, let_words_stand_anywhere, train, write_page
from vlp3d_core.errors import UsageError

SIZES = ("small", "base")
"""What a segmentation can be planned for."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("finetune", description=__doc__)
    parser.add_argument(
        "words", nargs="*", metavar="RECIPE key=value", help="see --recipe, then changes of its settings"
    )
    parser.add_argument(
        "--recipe",
        metavar="SIZE|RECIPE",
        help="small (default) or base: a segmentation planned from the volumes; or a recipe's name, or a YAML file",
    )
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="one JSON object a volume")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="RUN", help="the run's folder; a model that segments: RUN/bundle"
    )
    parser.add_argument("--init", type=Path, metavar="RUN|BUNDLE", help="start from these weights, where they fit")
    parser.add_argument("--resume", action="store_true", help=RESUME)
    parser.add_argument("--label-fraction", type=fraction, metavar="F", help="use this part of the training subjects")
    parser.add_argument("--seed", type=whole, metavar="N", help="of weights, patches and augmentation")
    parser.add_argument("--json", action="store_true", help="print JSON")
    let_words_stand_anywhere(parser)


def run(args: argparse.Namespace) -> int:
    recipe, changes = _recipe(args)
    check_extra()
    from vlp3d_core.train.affinity_config import AffinityConfig
    from vlp3d_core.train.tasks import load_task, task_of

    config = load_task(recipe, changes)
    _check_paths(args)
    from vlp3d_core.train.task import Run, run_task

    task = task_of(config)
    run = Run(config, args.manifest, args.out, args.init)
    result = train(args, config, lambda **how: run_task(task, replace(run, **how)))
    if result is None:
        return 0
    if isinstance(config, AffinityConfig):
        with progress_bar(args.json) as progress:
            result = settle(result, args.manifest, progress)
    told = task.tell(run, result)
    if told.page:
        write_page(args)
    if args.json:
        print_json({"run": args.out, **told.json, "card": result.card})
    else:
        print(told.made)
        print("Try it: vlp3d", *(_quoted(word) for word in told.try_it))
    return 0


def _recipe(args: argparse.Namespace) -> tuple[str, list[str]]:
    """The recipe and the changes of its settings."""
    words: list[str] = list(args.words)
    named = [args.recipe] if args.recipe else []
    if words and "=" not in words[0]:
        named.append(words.pop(0))
    if len(named) > 1:
        raise UsageError(
            "Two recipes are named.", "Write `vlp3d finetune RECIPE --manifest M.jsonl --out RUN key=value …`."
        )
    stray = [word for word in words if "=" not in word]
    if stray:
        raise UsageError(f"{stray[0]!r} is not a change of a setting.", "Write key=value.")
    if args.label_fraction is not None:
        words.append(f"label_fraction={args.label_fraction}")
    if args.seed is not None:
        words.append(f"seed={args.seed}")
    size = named[0].removeprefix("segment-") if named else SIZES[0]
    return (_planned(args, size, words) if size in SIZES else named[0]), words


def _planned(args: argparse.Namespace, size: str, words: list[str]) -> str:
    """The recipe that was planned from the manifest, and said so; `args.manifest` becomes the one it is for."""
    check_extra()
    _check_paths(args)
    from vlp3d_core.train.plan_run import plan_run

    with progress_bar(args.json) as progress:
        planned = plan_run(args.manifest, args.out, size, words, args.init, args.resume, progress)
    args.manifest = planned.manifest
    for note in planned.notes:
        print_note(note)
    return str(planned.recipe)


def _check_paths(args: argparse.Namespace) -> None:
    """What can be found out before the minutes of preparation."""
    from vlp3d_core.train.manifest import read_manifest

    read_manifest(args.manifest, tissues=True)
    if args.init is not None and not args.init.is_dir():
        raise UsageError(f"{args.init} is not a folder.", "Give a run folder or a bundle folder to --init.")
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out} is a file.", "Give a folder to --out.")


def _quoted(word: str | Path) -> str:
    return f'"{word}"' if " " in str(word) else str(word)

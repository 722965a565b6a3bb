"""`vlp3d evaluate lesions`: found, false and missed, lesion by lesion."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.pairs import add_pairs, check_folders, pairs_of
from vlp3d_core.errors import UsageError
from vlp3d_core.files import replacing

if TYPE_CHECKING:
    from vlp3d_core.evaluate import Row, StructureSummary
    from vlp3d_core.evaluate.lesions import LesionScore, LesionScores

HEADER = ("LESION", "CASES", "EXPECTED", "FOUND", "PREDICTED", "FALSE", "F1", "SENSITIVITY", "PRECISION", "ERROR ML")


def add_lesions(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate lesions`."""
    add_pairs(parser)
    parser.add_argument("--structures", metavar="A,B", default="", help="concepts; default: all that were contoured")
    parser.add_argument(
        "--min-ml", type=float, default=0.003, metavar="ML", help="smaller ones do not count; default 0.003 (3 mm³)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="SCORES.json", help="write all scores")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.lesions import evaluate_lesions

    if not args.min_ml >= 0:
        raise UsageError(f"--min-ml {args.min_ml:g} is no volume.", "Give 0 or more.")
    check_folders(args.output)
    given = pairs_of(args)
    structures = [name.strip() for name in args.structures.split(",") if name.strip()]
    with progress_bar(args.json) as progress:
        scores = evaluate_lesions(
            given.pairs, structures, args.min_ml, total=given.total, notes=given.notes, progress=progress
        )
    if args.output:
        with replacing(args.output) as temporary:
            temporary.write_text(json.dumps(scores.to_json(), indent=1) + "\n", encoding="utf-8")
    if args.json:
        print_json(scores.to_json())
    else:
        _print(scores)
    return 0


def _print(scores: LesionScores) -> None:
    rows = [[row for row in scores.rows if row.structure == one.structure] for one in scores.structures]
    print_table(HEADER, [_line(*pair) for pair in zip(scores.structures, rows, strict=True)])
    print("F1, sensitivity, precision and error: mean over cases [95 % interval, bootstrap by subject].")
    for note in scores.notes:
        print_note(note)


def _line(summary: StructureSummary, rows: list[Row[LesionScore]]) -> tuple[object, ...]:
    counts = [sum(getattr(row.score, name) for row in rows) for name in ("expected", "found", "predicted", "right")]
    expected, found, predicted, right = counts
    means = [_mean(summary, name) for name in ("f1", "sensitivity", "precision", "volume_error_ml")]
    return summary.structure, summary.n, expected, found, predicted, predicted - right, *means


def _mean(summary: StructureSummary, metric: str) -> str:
    value = summary.metrics[metric]
    if value.mean is None:
        return "-"
    interval = "" if value.low is None or value.high is None else f" [{value.low:.2f}, {value.high:.2f}]"
    return f"{value.mean:.2f}{interval}"

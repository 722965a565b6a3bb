"""`vlp3d evaluate`: score segmentations, lesions, instances, findings and regions against references, or retrieval."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.alike import add_alike
from vlp3d_core.cli.calibration import add_calibration
from vlp3d_core.cli.classification import add_classification
from vlp3d_core.cli.instances import add_instances
from vlp3d_core.cli.lesions import add_lesions
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.cli.pairs import Pairs, add_pairs, check_folders, pairs_of
from vlp3d_core.cli.phrases import add_phrases
from vlp3d_core.cli.refusal import add_refusal
from vlp3d_core.cli.regions import add_regions
from vlp3d_core.cli.reports import add_reports
from vlp3d_core.cli.retrieval import add_retrieval
from vlp3d_core.cli.runs import check_card
from vlp3d_core.cli.search import add_search
from vlp3d_core.cli.training import check_extra
from vlp3d_core.cli.worst import (
    MOST,
    SPLIT,
    add_worst,
    add_worst_count,
    choose_split,
    draw_worst,
    print_worst,
    update_failures,
)
from vlp3d_core.cli.zero_shot import add_zero_shot
from vlp3d_core.progress import Progress, silent

if TYPE_CHECKING:
    from vlp3d_core.evaluate import SegmentationScores
    from vlp3d_core.evaluate.worst import Failure


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("evaluate", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    add_retrieval(kinds.add_parser("retrieval", help="reports find their volumes, volumes their reports"))
    add_classification(kinds.add_parser("classification", help="findings told by a classifier"))
    add_instances(kinds.add_parser("instances", help="instances from affinities: VOI, adapted Rand error"))
    add_lesions(kinds.add_parser("lesions", help="lesions one by one: found, false, missed; their volume"))
    add_regions(kinds.add_parser("regions", help="phrases point at their regions, without training on labels"))
    add_reports(kinds.add_parser("reports", help="reports written of volumes: wording and facts"))
    add_calibration(kinds.add_parser("calibration", help="do a model's probabilities mean what they say?"))
    add_refusal(kinds.add_parser("refusal", help="does a model refuse what it was not made for?"))
    add_search(kinds.add_parser("search", help="`find`: do phrases find what they ask for, and are others refused?"))
    add_phrases(kinds.add_parser("phrases", help="are phrases of regions of the body understood? without a model"))
    add_alike(kinds.add_parser("alike", help="`find --like`: is what looks like a structure the same structure?"))
    add_zero_shot(kinds.add_parser("zero-shot", help="findings told from sentences, without training on labels"))
    _add_segmentation(kinds.add_parser("segmentation", help="Dice, HD95, surface Dice and volume error per structure"))


def run(args: argparse.Namespace) -> int:
    if args.kind not in ("segmentation", "lesions"):
        check_extra("This evaluation")
    result: int = args.evaluate(args)
    return result


def _add_segmentation(parser: argparse.ArgumentParser) -> None:
    add_pairs(parser, SPLIT)
    parser.add_argument("--tolerance", type=float, default=2.0, metavar="MM", help="of the surface Dice, default 2")
    parser.add_argument("-o", "--output", type=Path, metavar="SCORES.json", help="write all scores")
    parser.add_argument("--csv", type=Path, metavar="ROWS.csv", help="write one line per case and structure")
    parser.add_argument(
        "--update-card", action="store_true", help="write the scores (and failures) into the model's card; with --model"
    )
    add_worst(parser, "the failures of lowest Dice, each of another structure and another subject,")
    add_worst_count(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run_segmentation)


def _run_segmentation(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate import text_table, write_csv, write_json

    check_folders(args.output, args.csv)
    choose_split(args)
    if args.update_card:
        check_card(args.model)
    given = pairs_of(args)
    with progress_bar(args.json) as progress:
        scores = score_segmentations(given, args.tolerance, progress)
        failures = draw_worst(args, given, scores.rows, progress) if args.worst else []
    if args.output:
        write_json(scores, args.output)
    if args.csv:
        write_csv(scores, args.csv)
    if args.update_card:
        _update_card(args, scores, failures)
    if args.json:
        print_json(scores.to_json() | ({"failures": [f.to_json() for f in failures]} if args.worst else {}))
    else:
        print(text_table(scores), end="")
        print_worst(args.worst, failures)
    return 0


def score_segmentations(given: Pairs, tolerance: float, progress: Progress = silent) -> SegmentationScores:
    """The scores of what `pairs_of` gives.

    Raises:
        MedVLPError: nothing to score there.
    """
    from vlp3d_core.evaluate import evaluate_cases

    return evaluate_cases(given.pairs, tolerance=tolerance, total=given.total, notes=given.notes, progress=progress)


def _update_card(args: argparse.Namespace, scores: SegmentationScores, failures: Sequence[Failure]) -> None:
    from vlp3d_core.evaluate.card import add_scores
    from vlp3d_core.model.registry import find_bundle

    bundle = find_bundle(args.model)
    tolerance = f" --tolerance {args.tolerance:g}" if args.tolerance != 2.0 else ""
    command = f"vlp3d evaluate segmentation --model {bundle.name} --manifest {args.manifest.name} --split {args.split}"
    add_scores(bundle.folder, args.split, scores.to_json(), command + tolerance)
    count = f" --worst-count {args.worst_count}" if args.worst_count != MOST else ""
    update_failures(args, bundle, failures, command + count)

"""`vlp3d evaluate`: score segmentations, instances, findings and regions against references, or retrieval."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.calibration import add_calibration
from vlp3d_core.cli.classification import add_classification
from vlp3d_core.cli.instances import add_instances
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.cli.regions import add_regions
from vlp3d_core.cli.reports import add_reports
from vlp3d_core.cli.retrieval import add_retrieval
from vlp3d_core.cli.runs import refuse_trained_on
from vlp3d_core.cli.training import check_extra
from vlp3d_core.cli.zero_shot import add_zero_shot
from vlp3d_core.errors import UsageError
from vlp3d_core.progress import Progress, silent

if TYPE_CHECKING:
    from vlp3d_core.evaluate import Case, Pair, SegmentationScores
    from vlp3d_core.volume.segmentation import Segmentation


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("evaluate", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    add_retrieval(kinds.add_parser("retrieval", help="reports find their volumes, volumes their reports"))
    add_classification(kinds.add_parser("classification", help="findings told by a classifier"))
    add_instances(kinds.add_parser("instances", help="instances from affinities: VOI, adapted Rand error"))
    add_regions(kinds.add_parser("regions", help="phrases point at their regions, without training on labels"))
    add_reports(kinds.add_parser("reports", help="reports written of volumes: wording and facts"))
    add_calibration(kinds.add_parser("calibration", help="do a model's probabilities mean what they say?"))
    add_zero_shot(kinds.add_parser("zero-shot", help="findings told from sentences, without training on labels"))
    _add_segmentation(kinds.add_parser("segmentation", help="Dice, HD95, surface Dice and volume error per structure"))


def run(args: argparse.Namespace) -> int:
    if args.kind != "segmentation":
        check_extra("This evaluation")
    result: int = args.evaluate(args)
    return result


def _add_segmentation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="cases, one JSON object a line")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="default: test")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--predictions", type=Path, metavar="FOLDER", help="SUBJECT.nii.gz (and .json) or .seg.nrrd")
    source.add_argument("--model", metavar="NAME|FOLDER", help="run this model on the images of the split")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; with --model")
    parser.add_argument("--tolerance", type=float, default=2.0, metavar="MM", help="of the surface Dice, default 2")
    parser.add_argument("-o", "--output", type=Path, metavar="SCORES.json", help="write all scores")
    parser.add_argument("--csv", type=Path, metavar="ROWS.csv", help="write one line per case and structure")
    parser.add_argument(
        "--update-card", action="store_true", help="write the scores into the model's card; with --model"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run_segmentation)


def _run_segmentation(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate import text_table, write_csv, write_json

    _check_folders(args.output, args.csv)
    if args.update_card:
        _check_card(args.model)
    with progress_bar(args.json) as progress:
        scores = score_segmentations(args, progress)
    if args.output:
        write_json(scores, args.output)
    if args.csv:
        write_csv(scores, args.csv)
    if args.update_card:
        _update_card(args, scores)
    if args.json:
        print_json(scores.to_json())
    else:
        print(text_table(scores), end="")
    return 0


def score_segmentations(args: argparse.Namespace, progress: Progress = silent) -> SegmentationScores:
    """The scores of `predictions` or `model` (by `device`) on the `split` of a `manifest`, with that `tolerance`.

    Raises:
        MedVLPError: nothing to score there, or a model that was trained on some of it.
    """
    from vlp3d_core.evaluate import cases_of, evaluate_cases, named
    from vlp3d_core.train.manifest import read_manifest

    listed, notes = cases_of(read_manifest(args.manifest, (args.split,)))
    cases = named(listed)
    if args.model:
        from vlp3d_core.model.registry import find_bundle

        refuse_trained_on(find_bundle(args.model).folder, [case.subject for case in listed], args.split)
    pairs, more = _pairs(args, cases)
    return evaluate_cases(pairs, tolerance=args.tolerance, total=len(cases), notes=[*notes, *more], progress=progress)


def _pairs(args: argparse.Namespace, cases: Mapping[str, Case]) -> tuple[Iterator[Pair], tuple[str, ...]]:
    from vlp3d_core.evaluate import find_predictions, pairs_from_folder, pairs_from_model

    if args.predictions:
        files, notes = find_predictions(cases, args.predictions)
        return pairs_from_folder(cases, files), notes
    from vlp3d_core import load_model, read_volume

    model = load_model(args.model, args.device)

    def segment(case: Case) -> Segmentation:
        assert case.image is not None, "the lines of a manifest have images"
        result: Segmentation = model.segment(read_volume(case.image, modality=case.modality or None))
        return result

    return pairs_from_model(cases, segment), (f"Predicted by the model {args.model}.",)


def _check_folders(*outputs: Path | None) -> None:
    """Hours of work should not end at a folder that is not there."""
    for path in outputs:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"The folder of {path} does not exist.", "Create it, or choose another.")


def _check_card(model: str | None) -> None:
    """A card that cannot be updated should be known before the hours of work."""
    from vlp3d_core.model.registry import find_bundle

    if model is None:
        raise UsageError("--update-card needs a model.", "Name it with --model.")
    folder = find_bundle(model).folder
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The card in {folder} cannot be changed.", "Copy the model to a folder of your own.")


def _update_card(args: argparse.Namespace, scores: SegmentationScores) -> None:
    from vlp3d_core.evaluate.card import add_scores
    from vlp3d_core.model.registry import find_bundle

    bundle = find_bundle(args.model)
    tolerance = f" --tolerance {args.tolerance:g}" if args.tolerance != 2.0 else ""
    command = f"vlp3d evaluate segmentation --model {bundle.name} --manifest {args.manifest.name} --split {args.split}"
    add_scores(bundle.folder, args.split, scores.to_json(), command + tolerance)

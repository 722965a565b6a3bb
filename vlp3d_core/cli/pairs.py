"""Options of the evaluations that compare label maps: a manifest, and predictions from a folder or a model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlp3d_core.cli.runs import refuse_trained_on
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.evaluate import Case, Pair
    from vlp3d_core.volume.segmentation import Segmentation


@dataclass(frozen=True)
class Pairs:
    """What is to be compared.

    Attributes:
        pairs: read or predicted one at a time.
        total: how many there are.
        notes: what a reader of the scores should know.
    """

    pairs: Iterator[Pair]
    total: int
    notes: tuple[str, ...]


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Where references and predictions are."""
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="cases, one JSON object a line")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="default: test")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--predictions", type=Path, metavar="FOLDER", help="SUBJECT.nii.gz (and .json) or .seg.nrrd")
    source.add_argument("--model", metavar="NAME|FOLDER", help="run this model on the images of the split")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; with --model")


def pairs_of(args: argparse.Namespace) -> Pairs:
    """`predictions` or `model` (by `device`) against the references in the `split` of a `manifest`.

    Raises:
        MedVLPError: nothing to score there, or a model that was trained on some of it.
    """
    from vlp3d_core.evaluate import cases_of, find_predictions, named, pairs_from_folder, pairs_from_model
    from vlp3d_core.train.manifest import read_manifest

    listed, notes = cases_of(read_manifest(args.manifest, (args.split,)))
    cases = named(listed)
    if args.predictions:
        files, more = find_predictions(cases, args.predictions)
        return Pairs(pairs_from_folder(cases, files), len(cases), (*notes, *more))
    from vlp3d_core import load_model, read_volume
    from vlp3d_core.model.registry import find_bundle

    refuse_trained_on(find_bundle(args.model).folder, [case.subject for case in listed], args.split)
    model = load_model(args.model, args.device)

    def segment(case: Case) -> Segmentation:
        assert case.image is not None, "the lines of a manifest have images"
        result: Segmentation = model.segment(read_volume(case.image, modality=case.modality or None))
        return result

    pairs = pairs_from_model(cases, segment)
    return Pairs(pairs, len(cases), (*notes, f"Predicted by the model {args.model}."))


def check_folders(*outputs: Path | None) -> None:
    """Hours of work should not end at a folder that is not there."""
    for path in outputs:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"The folder of {path} does not exist.", "Create it, or choose another.")

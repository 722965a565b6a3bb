"""Options of the evaluations that compare label maps: a manifest, and predictions from a folder or a model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlp3d_core.cli.runs import refuse_trained_on
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.evaluate import Case, Pair
    from vlp3d_core.volume.segmentation import Segmentation

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Pairs:
    """What is to be compared.

    Attributes:
        cases: by name.
        make: reads or predicts those of some cases, one at a time.
        notes: what a reader of the scores should know.
    """

    cases: Mapping[str, Case]
    make: Callable[[Mapping[str, Case]], Iterator[Pair]]
    notes: tuple[str, ...]

    @property
    def pairs(self) -> Iterator[Pair]:
        return self.make(self.cases)

    @property
    def total(self) -> int:
        return len(self.cases)

    def pair(self, name: str) -> Pair:
        """That of one case, read or predicted anew: holding all of them would fill the memory."""
        return next(self.make({name: self.cases[name]}))


def add_pairs(parser: argparse.ArgumentParser, default: str = "test") -> None:
    """Where references and predictions are; `default` says which split is taken."""
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="cases, one JSON object a line")
    parser.add_argument("--split", default="test", choices=SPLITS, help=f"default: {default}")
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
        return Pairs(cases, lambda some: pairs_from_folder(some, files), (*notes, *more))
    from vlp3d_core import load_model, read_volume
    from vlp3d_core.model.registry import find_bundle

    refuse_trained_on(find_bundle(args.model).folder, [case.subject for case in listed], args.split)
    model = load_model(args.model, args.device)

    def segment(case: Case) -> Segmentation:
        assert case.image is not None, "the lines of a manifest have images"
        result: Segmentation = model.segment(read_volume(case.image, modality=case.modality or None))
        return result

    note = f"Predicted by the model {args.model}."
    return Pairs(cases, lambda some: pairs_from_model(some, segment), (*notes, note))


def check_folders(*outputs: Path | None) -> None:
    """Hours of work should not end at a folder that is not there."""
    for path in outputs:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"The folder of {path} does not exist.", "Create it, or choose another.")

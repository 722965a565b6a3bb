"""`vlp3d evaluate segmentation --worst`: pictures of what went wrong most, for a model's card."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlp3d_core.cli.options import count
from vlp3d_core.cli.output import print_note, print_table
from vlp3d_core.cli.pairs import Pairs
from vlp3d_core.files import make_folder
from vlp3d_core.progress import Progress, silent

if TYPE_CHECKING:
    from vlp3d_core.evaluate import MaskScore, Row
    from vlp3d_core.evaluate.worst import Failure
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.text.concepts import Concept


SPLIT = "test; with --worst validation, so that nobody learns from the test set"
MOST = 3


def add_worst(parser: argparse.ArgumentParser, what: str) -> None:
    """Where pictures go; with them the split is validation unless another one is named."""
    page = "for the page of a model (`vlp3d models NAME --markdown`) a folder NAME beside it"
    parser.add_argument("--worst", type=Path, metavar="FOLDER", help=f"draw {what} as FOLDER/STRUCTURE.png; {page}")
    parser.set_defaults(split=None)


def add_worst_count(parser: argparse.ArgumentParser) -> None:
    """How many pictures."""
    parser.add_argument(
        "--worst-count", type=count, default=MOST, metavar="N", help=f"pictures at most, default {MOST}"
    )


def choose_split(args: argparse.Namespace) -> None:
    """Settle `split`, and make the folder: one that cannot be written should be known before the hours of work.

    Raises:
        MedVLPError: the folder cannot be made or written.
    """
    args.split = args.split or ("validation" if args.worst else "test")
    if args.worst is not None:
        make_folder(args.worst)


def draw_worst(
    args: argparse.Namespace, given: Pairs, rows: Sequence[Row[MaskScore]], progress: Progress = silent
) -> list[Failure]:
    """Draw the worst of `rows` into the folder `worst`; their cases are read, or predicted, once more.

    Raises:
        MedVLPError: the folder cannot be written.
    """
    from vlp3d_core.evaluate.worst import worst_rows

    names = _names(args.model)
    failures: list[Failure] = []
    for row in worst_rows(rows, args.worst_count):
        progress("drawing", len(failures) / args.worst_count)
        name = names[row.structure].name if row.structure in names else row.structure
        failures.append(_draw(args, given, row, name))
    return failures


def update_failures(args: argparse.Namespace, bundle: Bundle, failures: Sequence[Failure], command: str) -> None:
    """Put the pictures into the card; `command` is what a reader types to draw them again, without the folder.

    Raises:
        MedVLPError: the card cannot be written.
    """
    from vlp3d_core.evaluate.card import put_failures

    if args.worst is None:
        return
    pictures = [failure.to_json() for failure in failures]
    put_failures(bundle.folder, args.split, pictures, f"{command} --worst {bundle.name}")
    if args.worst.resolve().name != bundle.name:
        print_note(f"the page of {bundle.name} looks for these pictures in a folder {bundle.name} beside it")


def print_worst(folder: Path | None, failures: Sequence[Failure]) -> None:
    """Which picture shows what."""
    if folder is None:
        return
    print()
    if failures:
        print_table(("PICTURE", "SHOWS"), [(folder / failure.file, failure.caption) for failure in failures])
    else:
        print_note("nothing went wrong in this split: there are no pictures")


def _draw(args: argparse.Namespace, given: Pairs, row: Row[MaskScore], name: str) -> Failure:
    from vlp3d_core.evaluate.labelmap import aligned
    from vlp3d_core.evaluate.worst import Failure, caption_of, facts_of, file_of, title_of
    from vlp3d_core.predict.disagreement import KEY, Masks, Words, write_disagreement
    from vlp3d_core.volume.read import read_volume

    case, pair = given.cases[row.case], given.pair(row.case)
    assert case.image is not None and row.score.dice is not None, "what was scored in a manifest has both"
    reference, prediction = pair.reference, aligned(pair.prediction, pair.reference)
    masks = Masks(
        np.isin(reference.labels, reference.values_of(row.structure)),
        np.isin(prediction.labels, prediction.values_of(row.structure)),
        reference.affine,
    )
    volume = read_volume(case.image, modality=case.modality or None)
    file = file_of(row.structure)
    words = Words(title_of(row, name), f"Dice {row.score.dice:.2f}", *facts_of(row.score))
    write_disagreement(volume, masks, words, args.worst / file)
    return Failure(file, row.structure, name, f"{caption_of(row, name, args.split)} {KEY}", row.score.dice)


def _names(model: str | None) -> Mapping[str, Concept]:
    """What structures are called: those of a model's own have their names in its card."""
    from vlp3d_core.model.registry import find_bundle
    from vlp3d_core.text.concepts import concepts

    return concepts() if model is None else {**concepts(), **find_bundle(model).structures}

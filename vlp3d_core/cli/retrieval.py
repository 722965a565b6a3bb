"""`vlp3d evaluate retrieval`: how well reports find their volumes, and volumes their reports."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.cli.output import print_json
from vlp3d_core.cli.runs import add_cases, add_checkpoint, image_vectors, open_run, refuse_trained_on
from vlp3d_core.errors import MedVLPError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.retrieval import Direction, Vectors
    from vlp3d_core.train.manifest import Case

LEAST = 2


def add_retrieval(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate retrieval`."""
    add_checkpoint(parser)
    add_cases(parser, "volumes with reports")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.retrieval import likeness_of_sets, retrieval
    from vlp3d_core.text.report import parse_report
    from vlp3d_core.train.pairs import derangement

    cases = pairs_to_search(args.manifest, args.split)
    images, texts = search_vectors(args.checkpoint, cases, args.split, args.json)
    reports = [case.report for case in cases]
    order = derangement(len(cases), 0) if args.shuffle_images else np.arange(len(cases))
    likeness = likeness_of_sets([parse_report(report).statements() for report in reports])
    found = retrieval(images[order], texts, reports, [case.subject for case in cases], likeness)
    if args.json:
        print_json({**{name: d.to_json() for name, d in found.items()}, "pairs": len(cases)})
    else:
        _print(found, len(cases), args.shuffle_images)
    return 0


def pairs_to_search(manifest: Path, split: str) -> list[Case]:
    """The pairs of a split.

    Raises:
        MedVLPError: fewer than two.
    """
    from vlp3d_core.train.pretrain import pairs_in

    cases = [case for case in pairs_in(manifest) if split in ("all", case.split)]
    if len(cases) < LEAST:
        raise MedVLPError(f"The split {split!r} of {manifest} has {len(cases)} pairs.", "Retrieval needs at least two.")
    return cases


def search_vectors(run: Path, cases: Sequence[Case], split: str, as_json: bool) -> tuple[Vectors, Vectors]:
    """Vectors of the volumes and of the reports, (N, D) each, rows of length 1.

    Raises:
        MedVLPError: no pretraining run, or one that was trained on some of the subjects.
    """
    from vlp3d_core.predict.represent import text_vector
    from vlp3d_core.text.report.vectors import report_vectors

    pretrained, encoder = open_run(run)
    refuse_trained_on(run, [case.subject for case in cases], split)
    images = image_vectors(pretrained, cases, as_json)
    texts = [text_vector(pretrained, vectors) for vectors in report_vectors([case.report for case in cases], encoder)]
    return images, np.stack(texts)


def _print(found: dict[str, Direction], pairs: int, shuffled: bool) -> None:
    print(f"{pairs} pairs{', images shuffled' if shuffled else ''}. Recall in %, [95 % interval], (chance).")
    for name, direction in found.items():
        parts = []
        for k in (1, 5, 10):
            low, high = direction.interval95[k] or (float("nan"), float("nan"))
            values: tuple[Any, ...] = (direction.recall[k], low, high, direction.chance[k])
            parts.append("@{}: {:.1f} [{:.1f}, {:.1f}] ({:.1f})".format(k, *(100 * v for v in values)))
        print(f"{name.replace('_', ' '):<16}{'  '.join(parts)}  median rank {direction.median_rank:g}")

"""`vlp3d evaluate search`: does `find` find what phrases ask for, and does it refuse what it cannot know?

Every phrase is asked in a few volumes, drawn by the seed among those in which what it asks for is contoured. For absent
structures a volume is cut above or below one of them, and asked for it. Phrases of a region (`--region`) have none for
absent structures, and only their means are told, so that nobody improves the search with them.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.options import DEVICES, positive, whole
from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.runs import model_and_cases

if TYPE_CHECKING:
    from vlp3d_core.evaluate.search import Answer, SearchRow, SearchScores
    from vlp3d_core.evaluate.search_queries import Query
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.predict.answer import Encoded
    from vlp3d_core.train.manifest import Case

REGIONS = ("head-neck", "trunk", "brain", "hippocampus", "em")
"""Those of evaluate/search_regions.py, which takes long to import."""


def add_search(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate search`."""
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="a segmentation model")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with label maps")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="default: test")
    parser.add_argument(
        "--half", default="report", choices=("development", "report", "all"),
        help="which half of the phrases; default: report, which nothing was improved with",
    )  # fmt: skip
    parser.add_argument(
        "--region", choices=REGIONS, help="instead of a half: phrases of this region that nothing was made with"
    )
    parser.add_argument("--volumes", type=positive, default=2, metavar="N", help="in how many a phrase is asked")
    parser.add_argument("--seed", type=whole, default=0, help="of phrases and volumes; default 0")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the fastest that is there")
    parser.add_argument("--json", action="store_true", help="print JSON, with the answer to every phrase")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.search import summarise_search

    model, cases = model_and_cases(args)
    dealt = _deal(model.bundle.concepts, cases, args)
    answers: list[Answer] = []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases, 1):
            answers += _asked(model, case, dealt[number - 1], args)
            progress("asking", number / len(cases))
    scores = summarise_search(answers)
    if args.json:
        told = {} if args.region else {"answers": [asdict(answer) for answer in answers]}
        print_json({**scores.to_json(), **told})
    else:
        _print(scores)
    return 0


def _deal(known: Sequence[str], cases: Sequence[Case], args: argparse.Namespace) -> dict[int, list[Query]]:
    """Number of a case → the phrases that are asked there."""
    from vlp3d_core.evaluate.search_queries import queries
    from vlp3d_core.evaluate.search_regions import region_queries

    if args.region:
        asked = region_queries(args.region, known)
    else:
        asked = [query for query in queries(known, args.seed) if args.half in ("all", query.half)]
    dealt: dict[int, list[Query]] = defaultdict(list)
    contoured = [set(c.labels.values() if c.contoured is None else c.contoured) for c in cases]
    for query in asked:
        fit = [n for n, names in enumerate(contoured) if names.issuperset(query.concepts)]
        for number in Random(f"{args.seed}/{query.text}").sample(fit, min(args.volumes, len(fit))):
            dealt[number].append(query)
    return dealt


def _asked(model: LoadedModel, case: Case, asked: Sequence[Query], args: argparse.Namespace) -> list[Answer]:
    """Every phrase of a case, and those for a structure that is cut away."""
    from vlp3d_core.evaluate.absent import without
    from vlp3d_core.evaluate.search_queries import absent
    from vlp3d_core.train.store import labels_on
    from vlp3d_core.volume import read_volume
    from vlp3d_core.volume.grid import Grid

    volume, names = read_volume(case.image, modality=case.modality or None), model.bundle.concepts
    encoded = model.encode(volume)
    reference = labels_on(case, Grid.of(volume), encoded.grid, names)
    shown = [name for value, name in enumerate(names, 1) if (reference == value).any()]
    answers = _answers(model, encoded, case.subject, [q for q in asked if {*q.concepts} <= {*shown}], reference)
    random = Random(f"{args.seed}/{case.subject}")
    for name in [] if args.region else random.sample(shown, len(shown)):
        part = without(volume, encoded.grid, reference == names.index(name) + 1)
        if part is not None:
            wanted = [query for query in absent(name, args.seed) if args.half in ("all", query.half)]
            return answers + _answers(model, model.encode(part), case.subject, wanted, None)
    return answers


def _answers(
    model: LoadedModel, encoded: Encoded, subject: str, asked: Sequence[Query], reference: NDArray[np.uint8] | None
) -> list[Answer]:
    """Args: reference: on the encoded volume's grid, in the model's numbers; None where no phrase has an answer."""
    from vlp3d_core.evaluate.search import Found, iou_with, judge
    from vlp3d_core.evaluate.search_words import understood
    from vlp3d_core.predict.region import Region, regions_of

    names = model.bundle.concepts
    sizes = np.bincount(reference.ravel(), minlength=len(names) + 1) if reference is not None else None

    def found(region: Region) -> Found:
        if reference is None or sizes is None:
            return Found(region.concept.id, region.score, {})
        overlaps = iou_with(region.box, region.core, reference, sizes)[1:]
        return Found(region.concept.id, region.score, dict(zip(names, overlaps.tolist(), strict=True)))

    pool = [found(region) for c in model.bundle.structures.values() for region in regions_of(model.bundle, encoded, c)]
    best = {name: max((one.overlaps.get(name, 0.0) for one in pool), default=0.0) for name in names}
    answers = []
    for query in asked:
        regions = model.find(encoded, query.text)
        named = understood(regions.prompt, names)
        answers.append(judge(query, subject, named, [found(region) for region in regions], best))
    return answers


def _print(scores: SearchScores) -> None:
    from vlp3d_core.evaluate.search import MEASURES

    print(f"{scores.volumes} volumes. [95 % interval, bootstrap by subject]\n")
    head = ("PHRASES", "N", "DIFFERENT", "RESOLVED", "RECALL@1", "RECALL@5", "IOU", "REFUSED")
    print_table(head, [(r.kind, r.n, r.phrases, *(cell(r, measure) for measure in MEASURES)) for r in scores.rows])
    bounds = scores.auroc95
    print(f"\nAUROC of refusal {scores.auroc:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "") + ".")


def cell(row: SearchRow, measure: str) -> str:
    """A mean and its interval; nothing for a measure that does not apply."""
    if measure not in row.means:
        return ""
    bounds = row.intervals[measure]
    return f"{row.means[measure]:.2f}" + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")

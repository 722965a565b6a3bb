"""`vlp3d evaluate instances`: affinities → instances, against a reference."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.runs import refuse_trained_on
from vlp3d_core.errors import MedVLPError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.instances import InstanceScores
    from vlp3d_core.model.affinity_model import SavedAffinityModel
    from vlp3d_core.progress import Progress
    from vlp3d_core.train.manifest import Case

THRESHOLDS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
ONE = 0.0
"""The threshold that joins everything: what a score is to be compared with."""
COLUMNS = ("voi_split", "voi_merge", "voi", "arand", "found", "expected")
Scored = dict[float, list["InstanceScores"]]


def add_instances(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate instances`."""
    parser.add_argument(
        "--model", required=True, type=Path, metavar="RUN", help="--out of a `vlp3d finetune` with task: affinities"
    )
    parser.add_argument(
        "--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with instances as label maps"
    )
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="default: test")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.model.affinity_model import load_affinity_model
    from vlp3d_core.train.manifest import read_manifest

    saved = load_affinity_model(args.model)
    # How far fragments are joined is chosen on validation and only there.
    listed = [c for c in read_manifest(args.manifest, {args.split, "validation"}) if c.label is not None]
    cases, chosen_on = ([c for c in listed if c.split == split] for split in (args.split, "validation"))
    if not cases or not chosen_on:
        raise MedVLPError(
            f"{args.manifest} has {len(cases)} volumes with instances in the split {args.split!r} and {len(chosen_on)} "
            "for validation.",
            "The threshold of the agglomeration is chosen on validation; each needs one volume at least.",
        )
    refuse_trained_on(args.model, [case.subject for case in cases], args.split)
    with progress_bar(args.json) as progress:
        validation, _ = _score(saved, chosen_on, progress)
        best = min(THRESHOLDS, key=lambda t: float(np.mean([s.voi for s in validation[t]])))
        same = args.split == "validation"
        scored, membranes = _score(saved, cases, progress, None if same else (best,))
    result = {
        "split": args.split,
        "threshold": best,
        "volumes": {case.subject: score.to_json() for case, score in zip(cases, scored[best], strict=True)},
        "one_instance": {case.subject: s.to_json() for case, s in zip(cases, scored[ONE], strict=True)},
        "membrane_dice": dict(zip((case.subject for case in cases), membranes, strict=True)),
        "validation_voi": {str(t): float(np.mean([s.voi for s in validation[t]])) for t in THRESHOLDS},
    }
    if args.json:
        print_json(result)
    else:
        _print(result)
    return 0


def _score(
    saved: SavedAffinityModel, cases: Sequence[Case], progress: Progress, thresholds: Sequence[float] | None = None
) -> tuple[Scored, list[float]]:
    """Scores of each volume by threshold, and as if it were one single instance; and its Dice of membranes."""
    from vlp3d_core.evaluate.instances import membrane_dice, score_instances
    from vlp3d_core.model.devices import choose_device
    from vlp3d_core.predict.affinities import predict_affinities
    from vlp3d_core.predict.agglomerate import agglomerate_at
    from vlp3d_core.train.affinity_data import read_instances
    from vlp3d_core.volume import read_volume

    levels = tuple(thresholds or THRESHOLDS)
    scored: Scored = {threshold: [] for threshold in (*levels, ONE)}
    membranes = []
    for case in cases:
        reference = read_instances(case, saved.spacing, saved.normalisation).labels
        volume = read_volume(case.image, modality=case.modality or None)
        affinities, _ = predict_affinities(saved, volume, choose_device(), progress)
        for threshold, found in zip(levels, agglomerate_at(affinities, levels), strict=True):
            scored[threshold].append(score_instances(found, reference))
        scored[ONE].append(score_instances(np.ones_like(reference), reference))
        membranes.append(membrane_dice(affinities, reference))
    return scored, membranes


def _print(result: dict[str, Any]) -> None:
    table = ", ".join(f"{t}: {value:.2f}" for t, value in result["validation_voi"].items())
    print(f"Threshold {result['threshold']}, by VOI on validation ({table}).")
    rows = []
    for name, scores in result["volumes"].items():
        rows.append([name, *_cells(scores), f"{result['membrane_dice'][name]:.3f}"])
        rows.append(["  as one instance", *_cells(result["one_instance"][name]), ""])
    print_table(["volume", "VOI split", "VOI merge", "VOI", "ARAND", "found", "expected", "membrane Dice"], rows)


def _cells(scores: dict[str, Any]) -> list[str]:
    return [f"{scores[c]:.3f}" if isinstance(scores[c], float) else str(scores[c]) for c in COLUMNS]

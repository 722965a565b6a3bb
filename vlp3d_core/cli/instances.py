"""`vlp3d evaluate instances`: the instances of a model against a reference. And the choice of its threshold."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.pairs import SPLITS
from vlp3d_core.cli.runs import check_card, refuse_trained_on
from vlp3d_core.cli.worst import SPLIT, add_worst, choose_split, print_worst, update_failures
from vlp3d_core.errors import MedVLPError, UsageError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.instances import InstanceScores
    from vlp3d_core.evaluate.worst import Failure
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.progress import Progress
    from vlp3d_core.train.affinity_data import InstanceVolume
    from vlp3d_core.train.manifest import Case

THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(19, 1, -1))
COLUMNS = ("voi_split", "voi_merge", "voi", "arand", "found", "expected")


def add_instances(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate instances`."""
    parser.add_argument(
        "--model", required=True, metavar="RUN|NAME|FOLDER", help="of a `vlp3d finetune` with task: affinities"
    )
    parser.add_argument(
        "--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with instances as label maps"
    )
    parser.add_argument("--split", choices=SPLITS, help=f"default: {SPLIT}")
    parser.add_argument(
        "--update-card", action="store_true", help="write the scores (and the failure) into the model's card"
    )
    add_worst(parser, "the largest error of the volume with the highest VOI")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.card import put_scores
    from vlp3d_core.model.bundle import AFFINITIES
    from vlp3d_core.model.registry import find_bundle

    bundle = find_bundle(args.model)
    if bundle.kind != AFFINITIES:
        raise UsageError(f"{bundle.name} makes no instances.", "Name a model of affinities.")
    choose_split(args)
    cases = _cases(args.manifest, args.split)
    refuse_trained_on(bundle.folder, [case.subject for case in cases], args.split)
    if args.update_card:
        check_card(args.model)
    threshold = bundle.card["instances"]["threshold"]
    with progress_bar(args.json) as progress:
        scores = [_scored(bundle, case, (threshold,), progress) for case in cases]
        failures = _draw(args, bundle, cases, scores, progress) if args.worst else []
    result = _result(args.split, threshold, cases, scores)
    if args.update_card:
        command = f"vlp3d evaluate instances --model {bundle.name} --manifest {args.manifest.name} --split {args.split}"
        # Of validation the card also holds what the threshold was chosen by; that stays.
        earlier = bundle.card["scores"].get(args.split, {})
        put_scores(bundle.folder, args.split, {**earlier, **result, "command": command})
        update_failures(args, bundle, failures, command)
    if args.json:
        print_json(result | ({"failures": [failure.to_json() for failure in failures]} if args.worst else {}))
    else:
        _print(result)
        print_worst(args.worst, failures)
    return 0


def settle(bundle: Bundle, manifest: Path, progress: Progress) -> Bundle:
    """Choose on validation, by the VOI, how far fragments are joined; the card gets that and the scores.

    Raises:
        MedVLPError: no validation volumes with instances, or a model of another kind.
    """
    from vlp3d_core.evaluate.card import put_scores
    from vlp3d_core.model.bundle import read_bundle, write_card

    cases = _cases(manifest, "validation")
    scores = [_scored(bundle, case, THRESHOLDS, progress) for case in cases]
    voi = {t: float(np.mean([s.found[t].voi for s in scores])) for t in THRESHOLDS}
    best = middle_of_the_best(voi)
    write_card(bundle.folder, {**bundle.card, "instances": {**bundle.card["instances"], "threshold": best}})
    put_scores(bundle.folder, "validation", _result("validation", best, cases, scores) | {"voi_by_threshold": voi})
    return read_bundle(bundle.folder)


def middle_of_the_best(voi: Mapping[float, float]) -> float:
    """The threshold whose VOI is lowest together with those of its two neighbours: a few volumes decide by single joins
    of large instances, and the very best threshold may lie beside a much worse one.

    Args:
        voi: by threshold, in their order; three or more.
    """
    levels = list(voi)
    means = {levels[n]: sum(voi[level] for level in levels[n - 1 : n + 2]) for n in range(1, len(levels) - 1)}
    return min(means, key=means.__getitem__)


@dataclass(frozen=True)
class _Scores:
    """Of one volume: by threshold, as if it were one single instance, and Dice of its membranes as edges and voxels."""

    found: dict[float, InstanceScores]
    one: InstanceScores
    membranes: float
    borders: float


def _scored(bundle: Bundle, case: Case, thresholds: Sequence[float], progress: Progress) -> _Scores:
    from vlp3d_core.evaluate.instances import border_dice, membrane_dice, score_instances
    from vlp3d_core.predict.agglomerate import Fragments

    volume, affinities = _predicted(bundle, case, progress)
    fragments, smallest = Fragments(affinities), bundle.card["instances"]["smallest_voxels"]
    found = {t: score_instances(fragments.joined(t, smallest), volume.labels) for t in thresholds}
    one = score_instances(np.ones_like(volume.labels), volume.labels)
    return _Scores(found, one, membrane_dice(affinities, volume.labels), border_dice(affinities, volume.labels))


def _predicted(bundle: Bundle, case: Case, progress: Progress) -> tuple[InstanceVolume, NDArray[np.float16]]:
    """A volume with its reference, and its affinities."""
    from vlp3d_core.model.affinity_model import load_affinities
    from vlp3d_core.model.devices import choose_device
    from vlp3d_core.predict.instances import predict_affinities
    from vlp3d_core.train.affinity_data import read_instances

    volume = read_instances(case, bundle.spacing, bundle.normalisation)
    return volume, predict_affinities(load_affinities(bundle), choose_device(), volume.image, progress)


def _draw(
    args: argparse.Namespace, bundle: Bundle, cases: Sequence[Case], scores: Sequence[_Scores], progress: Progress
) -> list[Failure]:
    """The largest error of the volume with the highest VOI, which is predicted once more; none where all is right."""
    from vlp3d_core.evaluate.instance_errors import largest_error
    from vlp3d_core.evaluate.worst import Failure, file_of
    from vlp3d_core.predict.agglomerate import Fragments
    from vlp3d_core.predict.instance_picture import KEY, Slice, write_instances

    settings, concept = bundle.card["instances"], bundle.concepts[0]
    worst, case = max(zip(scores, cases, strict=True), key=lambda pair: pair[0].found[settings["threshold"]].voi)
    volume, affinities = _predicted(bundle, case, progress)
    found = Fragments(affinities).joined(settings["threshold"], settings["smallest_voxels"])
    error = largest_error(found, volume.labels)
    if error is None:
        return []
    name, file = bundle.structures[concept].name, file_of(concept)
    k = error.slice
    voi = f"VOI {worst.found[settings['threshold']].voi:.2f}"
    shown = Slice(volume.image[..., k], volume.labels[..., k], found[..., k], error.mask[..., k], bundle.spacing[:2])
    write_instances(shown, f"{name}, {case.subject}", voi, args.worst / file)
    caption = f"{name}, {case.subject} ({args.split}): {voi}; {error.words} {KEY}"
    return [Failure(file, concept, name, caption)]


def _cases(manifest: Path, split: str) -> list[Case]:
    """The volumes of a split that have instances; there is one at least."""
    from vlp3d_core.train.manifest import read_manifest

    cases = [case for case in read_manifest(manifest, {split}) if case.label is not None]
    if not cases:
        raise MedVLPError(f"The split {split!r} of {manifest} has no volumes with instances.", "Choose another split.")
    return cases


def _result(split: str, threshold: float, cases: Sequence[Case], scores: Sequence[_Scores]) -> dict[str, Any]:
    by_volume = list(zip((case.subject for case in cases), scores, strict=True))
    return {
        "kind": "instances",
        "split": split,
        "threshold": threshold,
        "volumes": {name: one.found[threshold].to_json() for name, one in by_volume},
        "one_instance": {name: one.one.to_json() for name, one in by_volume},
        "membrane_dice": {name: one.membranes for name, one in by_volume},
        "border_dice": {name: one.borders for name, one in by_volume},
    }


def _print(result: dict[str, Any]) -> None:
    print(f"Threshold {result['threshold']}, chosen on validation.")
    rows = []
    for name, scores in result["volumes"].items():
        rows.append([name, *_cells(scores), *(f"{result[of][name]:.3f}" for of in ("membrane_dice", "border_dice"))])
        rows.append(["  as one instance", *_cells(result["one_instance"][name]), "", ""])
    header = ["VOI split", "VOI merge", "VOI", "ARAND", "found", "expected", "membrane Dice", "as voxels"]
    print_table(["volume", *header], rows)


def _cells(scores: dict[str, Any]) -> list[str]:
    return [f"{scores[c]:.2f}" if isinstance(scores[c], float) else str(scores[c]) for c in COLUMNS]

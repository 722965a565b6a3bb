"""`vlp3d evaluate alike`: a structure is shown in one patient and looked for in the next one, as `find --like` does."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.options import DEVICES, positive
from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.runs import model_and_cases

if TYPE_CHECKING:
    from vlp3d_core.evaluate.alike import Shown
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.predict.like import Likeness
    from vlp3d_core.predict.region import Region
    from vlp3d_core.train.manifest import Case
    from vlp3d_core.volume import Volume


def add_alike(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate alike`."""
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="a segmentation model")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with label maps")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"), help="default: test")
    parser.add_argument("--next", type=positive, default=1, metavar="N", help="look in the next N patients; default 1")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the fastest that is there")
    parser.add_argument("--json", action="store_true", help="print JSON, with every pair")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.alike import summarise_alike

    model, cases = model_and_cases(args, least=2)
    looks: list[dict[str, Likeness]] = []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases, 1):
            looks.append(_looks(model, case))
            progress("looking", number / len(cases))
        shown: list[Shown] = []
        for number, case in enumerate(cases):
            earlier = [looks[(number - step) % len(cases)] for step in range(1, min(args.next, len(cases) - 1) + 1)]
            shown += _found(model, case, earlier)
            progress("finding", (number + 1) / len(cases))
    rows = summarise_alike(shown, model.bundle.concepts)
    if args.json:
        print_json({"structures": [row.to_json() for row in rows], "pairs": [asdict(one) for one in shown]})
        return 0
    print(f"{len(cases)} volumes. [95 % interval, bootstrap by subject]\n")
    bounds = [f" [{row.hit95[0]:.2f}, {row.hit95[1]:.2f}]" if row.hit95 else "" for row in rows]
    table = [
        (row.structure, row.pairs, f"{row.hit:.2f}{bound}", f"{row.iou:.2f}", f"{row.named:.2f}")
        for row, bound in zip(rows, bounds, strict=True)
    ]
    print_table(("STRUCTURE", "PAIRS", "HIT", "MEDIAN IOU", "(BY NAME)"), table)
    return 0


def _reference(model: LoadedModel, case: Case, volume: Volume) -> dict[str, NDArray[np.bool_]]:
    """Structure that the model knows → where it is contoured, on the volume's own grid."""
    from vlp3d_core.train.store import labels_on
    from vlp3d_core.volume.grid import Grid

    names, grid = model.bundle.concepts, Grid.of(volume)
    labels = labels_on(case, grid, grid, names)
    return {name: labels == value for value, name in enumerate(names, 1) if (labels == value).any()}


def _looks(model: LoadedModel, case: Case) -> dict[str, Likeness]:
    """What each contoured structure looks like in a patient."""
    from vlp3d_core.predict.like import likenesses
    from vlp3d_core.progress import never, silent
    from vlp3d_core.volume import read_volume

    volume = read_volume(case.image, modality=case.modality or None)
    model.check_modality(volume)
    masks = _reference(model, case, volume)
    labels = np.zeros(volume.shape, np.uint8)
    for value, mask in enumerate(masks.values(), 1):
        labels[mask] = value
    return {one.name: one for one in likenesses(model.ready, volume, labels, list(masks), None, silent, never)}


def _found(model: LoadedModel, case: Case, looks: list[dict[str, Likeness]]) -> list[Shown]:
    """The structures that other patients have shown, looked for in this one."""
    from vlp3d_core.evaluate.alike import Shown
    from vlp3d_core.predict.region import regions_of
    from vlp3d_core.volume import read_volume

    volume = read_volume(case.image, modality=case.modality or None)
    masks = _reference(model, case, volume)
    encoded, known = model.encode(volume), model.bundle.structures
    out = []
    for earlier in looks:
        for name in (name for name in earlier if name in masks):
            overlaps = _overlaps(list(model.find_alike(volume, earlier[name], 1)), masks)
            named = _overlaps(regions_of(model.bundle, encoded, known[name])[:1], masks)
            hit = overlaps[name] > 0 and overlaps[name] == max(overlaps.values())
            out.append(Shown(case.subject, name, hit, overlaps[name], named[name]))
    return out


def _overlaps(regions: list[Region], masks: dict[str, NDArray[np.bool_]]) -> dict[str, float]:
    """IoU of the first region with each structure; 0 without a region."""
    found = regions[0].mask() > 0 if regions else None
    if found is None or not found.any():
        return dict.fromkeys(masks, 0.0)
    return {name: float((found & mask).sum() / (found | mask).sum()) for name, mask in masks.items()}

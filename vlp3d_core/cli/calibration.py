"""`vlp3d evaluate calibration`: do a model's probabilities mean what they say?"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.runs import check_card, model_and_cases
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.calibration import Bin, Calibration, Counts
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.train.manifest import Case


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate calibration`."""
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="a segmentation model")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with label maps")
    parser.add_argument(
        "--split", default="validation", choices=("train", "validation", "test"), help="default: validation"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the temperature that fits best into the model's card, with the errors before and after it",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.calibration import calibrate
    from vlp3d_core.evaluate.card import write_calibration

    if args.write:
        if args.split != "validation":
            raise UsageError("--write takes the split validation only.", "Scores on others must stay a judgement.")
        check_card(args.model)
    model, cases = model_and_cases(args)
    counting, counts = _counting(model), []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases, 1):
            counts.append(_counted(counting, case))
            progress("segmenting", number / len(cases))
    names = [model.bundle.structures[name].name for name in model.bundle.concepts]
    result = calibrate(counts, names, model.bundle.temperature)
    best = calibrate(counts, names, result.best)
    if args.write:
        command = f"vlp3d evaluate calibration --model {model.bundle.name} --manifest {args.manifest.name} --write"
        write_calibration(model.bundle.folder, calibrate(counts, names).ece, best, command)
        print_note(f"The card in {model.bundle.folder} has this temperature now.")
    print_json(result.to_json() | {"ece_then": best.ece}) if args.json else _print(result, best)
    return 0


def _counting(model: LoadedModel) -> LoadedModel:
    """The same model with probabilities as they are counted, and without refusing a volume."""
    from vlp3d_core.evaluate.calibration import COUNTED_AT
    from vlp3d_core.predict import LoadedModel

    card = {**model.bundle.card, "temperature": COUNTED_AT, "field": {"anchors": []}}
    return LoadedModel(replace(model.ready, bundle=replace(model.bundle, card=card)))


def _counted(model: LoadedModel, case: Case) -> Counts:
    from vlp3d_core.evaluate.calibration import counted
    from vlp3d_core.train.store import labels_on
    from vlp3d_core.volume import read_volume
    from vlp3d_core.volume.grid import Grid

    volume, names = read_volume(case.image, modality=case.modality or None), model.bundle.concepts
    encoded = model.encode(volume)
    reference = labels_on(case, Grid.of(volume), encoded.grid, names)
    present = np.unique(reference)
    looked_for = case.contoured if case.contoured is not None else [names[value - 1] for value in present if value]
    return counted(case.subject, encoded.labels, encoded.certainty, reference, [name in looked_for for name in names])


def _print(result: Calibration, best: Calibration) -> None:
    error = f"{result.ece:.3f}" + (f" [{result.ece95[0]:.3f}, {result.ece95[1]:.3f}]" if result.ece95 else "")
    print(f"{result.cases} volumes, {result.voxels:,} voxels, logits divided by {result.temperature:.2f} (the card's).")
    print(f"Expected calibration error {error}.")
    print(f"Logits divided by {result.best:.2f} fit best; the error is {best.ece:.3f} then.\n")
    print_table(("PROBABILITY", "RIGHT", "VOXELS"), [_row(one)[1:] for one in result.bins])
    print()
    print_table(("STRUCTURE", "PROBABILITY", "RIGHT", "VOXELS"), [_row(one) for one in result.structures])


def _row(one: Bin) -> tuple[str, str, str, str]:
    return one.name, f"{one.claimed:.3f}", f"{one.right:.3f}", f"{one.voxels:,}"

"""`vlp3d segment`: label the structures of a volume on its own grid, in one pass."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.choice import model_and_volume
from vlp3d_core.cli.options import add_model, add_volume, box, check_distinct, check_folders, positive
from vlp3d_core.cli.output import print_json, print_note, progress_bar
from vlp3d_core.cli.result import estimate_json, estimate_note, interrupted, print_segments, result_json, write_table
from vlp3d_core.errors import UsageError
from vlp3d_core.volume.segmentation import FEW

if TYPE_CHECKING:
    from vlp3d_core.model.estimate import Estimate
    from vlp3d_core.volume import Segmentation


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("segment", description=__doc__)
    add_volume(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help=".seg.nrrd, .nii.gz or .nrrd (and .json) or .dcm",
    )
    parser.add_argument("--structures", metavar='"A,B"', help='only these, for example "left kidney,liver"')
    parser.add_argument("--roi", type=box, metavar="x0,x1,y0,y1,z0,z1", help="only in this box, RAS mm (--roi=-10,…)")
    parser.add_argument("--table", type=Path, metavar="T.csv", help="write one line per structure or instance")
    parser.add_argument(
        "--instances",
        type=_most,
        metavar="N|all",
        help="with a model of instances: keep the N largest; default 200 in .seg.nrrd, all in the others",
    )
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from vlp3d_core.volume.write import SEGMENTS, check_writable, companions, write_segmentation

    check_writable(args.output)
    if args.instances is None and args.output.name.lower().endswith(SEGMENTS):
        args.instances = FEW
    check_distinct(args.input, args.output, *companions(args.output), args.table)
    check_folders([args.table])
    segmentation, estimate = _segment(args)
    write_segmentation(segmentation, args.output)
    with interrupted(args.output):
        if args.table:
            write_table(segmentation, args.table)
        _show(args, segmentation, estimate)
    return 0


def _segment(args: argparse.Namespace) -> tuple[Segmentation, Estimate]:
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.predict.asked import asked_structures
    from vlp3d_core.predict.loaded import load_model
    from vlp3d_core.volume.write import check_writable

    if args.structures is not None and not args.structures.strip():
        raise UsageError("--structures is empty.", "Name structures, or leave it away for all of the model's.")

    def asked(bundle: Bundle) -> tuple[str, ...] | None:
        return asked_structures(args.structures, bundle) if args.structures else None

    bundle, volume, why = model_and_volume(args, asked)
    check_writable(args.output, volume)
    model = load_model(bundle.folder, args.device)
    estimate = model.estimate(volume, roi=args.roi, tile=args.tile)
    print_note(estimate_note(estimate, model.ready.device))
    with progress_bar(args.json) as progress:
        result = model.segment(
            volume, asked(bundle), roi=args.roi, tile=args.tile, most=args.instances or None, progress=progress
        )
    return replace(result, notes=(*why, *result.notes)), estimate


def _show(args: argparse.Namespace, segmentation: Segmentation, estimate: Estimate) -> None:
    for note in segmentation.notes:
        print_note(note)
    if args.json:
        print_json(
            result_json(segmentation)
            | {"output": args.output, "table": args.table, "estimate": estimate_json(estimate)}
        )
        return
    print_segments(segmentation)
    found = sum(s.found for s in segmentation.segments)
    many = any(s.instance for s in segmentation.segments)
    print(f"\n{args.output}: {f'{found:,} instances' if many else f'{found} of {len(segmentation.segments)} found'}")


def _most(text: str) -> int:
    """0 is all."""
    return 0 if text == "all" else positive(text)

"""`vlp3d phantom`: make a procedural CT with labels; `vlp3d phantom studies`: many, with findings and reports.

A phantom has a body's order, not its detail: it is not a patient.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlp3d_core.cli.options import positive, whole
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.errors import UsageError

REGIONS = ("trunk", "head-neck")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("phantom", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("volume", "studies"), default="volume", help="one volume (default), or studies"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="the CT: .nii.gz, .nii, .nrrd or .mha; for studies a folder",
    )
    parser.add_argument("-n", "--number", type=positive, metavar="N", help="how many studies; default 10")
    parser.add_argument("--spacing", type=_millimetres, metavar="MM", help="voxel size; default: about 3.5, as drawn")
    parser.add_argument(
        "--labels", type=Path, metavar="L.nii.gz", help="its labels: .nii.gz (with .json beside it) or .seg.nrrd"
    )
    parser.add_argument("--seed", type=whole, default=0, help="the same seed makes the same phantom; default 0")
    parser.add_argument("--region", choices=REGIONS, default="trunk", help="of a volume; default: trunk")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    return _studies(args) if args.what == "studies" else _volume(args)


def _studies(args: argparse.Namespace) -> int:
    from vlp3d_core.train.importers.studies import make_studies

    if args.labels is not None or args.region != REGIONS[0]:
        raise UsageError("Studies are of the trunk and have their labels beside them.", "Leave out --labels, --region.")
    spacing = None if args.spacing is None else (args.spacing,) * 3
    with progress_bar(args.json) as progress:
        manifest = make_studies(args.number or 10, args.seed, args.output, spacing, progress)
    if args.json:
        print_json({"manifest": manifest, "studies": args.number or 10, "seed": args.seed})
    else:
        print(f"{manifest}: {args.number or 10} studies with labels and reports")
    return 0


def _volume(args: argparse.Namespace) -> int:
    from vlp3d_core.phantom import make_phantom
    from vlp3d_core.volume import check_writable, write_segmentation
    from vlp3d_core.volume.write_image import check_image_name, write_volume

    if args.number is not None:
        raise UsageError("-n is for studies.", "Write `vlp3d phantom studies -n N -o FOLDER`.")
    check_image_name(args.output)
    if args.labels is not None:
        if args.labels.absolute() == args.output.absolute():
            raise UsageError(f"Image and labels would both be {args.output}.", "Give them different names.")
        check_writable(args.labels)
    chosen: dict[str, Any] = {} if args.spacing is None else {"spacing": (args.spacing,) * 3}
    phantom = make_phantom(args.seed, args.region, **chosen)
    write_volume(phantom.volume, args.output)
    if args.labels is not None:
        write_segmentation(phantom.segmentation(), args.labels)
    structures = phantom.segmentation().segments
    if args.json:
        print_json(
            {
                "image": args.output,
                "labels": args.labels,
                "seed": args.seed,
                "region": args.region,
                "shape": phantom.volume.shape,
                "spacing_mm": phantom.volume.spacing,
                "structures": [
                    {"value": s.value, "concept": s.concept, "name": s.name, "volume_ml": s.volume_ml}
                    for s in structures
                ],
                "facts": [asdict(fact) for fact in phantom.facts],
            }
        )
        return 0
    size = " x ".join(map(str, phantom.volume.shape))
    spacing = " x ".join(f"{mm:.2f}" for mm in phantom.volume.spacing)
    print(f"{args.output}: {size} voxels of {spacing} mm, {len(structures)} structures")
    if args.labels:
        print(f"{args.labels}: their labels")
    return 0


def _millimetres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.2 <= value <= 50:
        raise argparse.ArgumentTypeError(f"{text} is not a voxel size from 0.2 to 50 mm")
    return value

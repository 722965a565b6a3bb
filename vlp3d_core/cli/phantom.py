"""`vlp3d phantom`: make a procedural CT with labels. It has a body's order, not its detail: it is not a patient."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlp3d_core.cli.output import print_json
from vlp3d_core.errors import UsageError

REGIONS = ("trunk", "head-neck")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("phantom", description=__doc__)
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="OUT.nii.gz", help="the CT: .nii.gz, .nii, .nrrd or .mha"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="L.nii.gz", help="its labels: .nii.gz (with .json beside it) or .seg.nrrd"
    )
    parser.add_argument("--seed", type=_seed, default=0, help="the same seed makes the same phantom; default 0")
    parser.add_argument("--region", choices=REGIONS, default="trunk", help="default: trunk")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from vlp3d_core.phantom import make_phantom
    from vlp3d_core.volume import check_writable, write_segmentation
    from vlp3d_core.volume.write_image import check_image_name, write_volume

    check_image_name(args.output)
    if args.labels is not None:
        if args.labels.absolute() == args.output.absolute():
            raise UsageError(f"Image and labels would both be {args.output}.", "Give them different names.")
        check_writable(args.labels)
    phantom = make_phantom(args.seed, args.region)
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


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)

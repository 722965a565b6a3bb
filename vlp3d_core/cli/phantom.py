"""`vlp3d phantom`: make a procedural CT, MR or EM with labels; `vlp3d phantom studies`: many of them, with reports.

A phantom has the order of a body or of neuropil, not its detail: it is no patient and no tissue.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.options import positive, whole
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.phantom import Phantom

REGIONS = ("trunk", "head-neck")
MODALITIES = ("CT", "MR", "EM")
CONTRASTS = ("T1", "T2", "PD", "T1C")


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
        help="the volume: .nii.gz, .nii, .nrrd or .mha; for studies a folder",
    )
    parser.add_argument("-n", "--number", type=positive, metavar="N", help="how many studies; default 10")
    parser.add_argument("--modality", choices=MODALITIES, default="CT", help="default: CT")
    parser.add_argument(
        "--contrast",
        choices=CONTRASTS,
        default="",
        help="of an MR; T1C is fat-saturated, with contrast medium; default: the seed draws one",
    )
    parser.add_argument(
        "--spacing", type=_millimetres, metavar="MM", help="voxel size; default: about 3.5, as drawn (EM: 1e-5, 10 nm)"
    )
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
        raise UsageError("Studies have their region and their labels beside them.", "Leave out --labels, --region.")
    _check_contrast(args)
    spacing = None if args.spacing is None else (args.spacing,) * 3
    look = {"modality": args.modality, "contrast": args.contrast}
    with progress_bar(args.json) as progress:
        manifest = make_studies(args.number or 10, args.seed, args.output, spacing, progress, **look)
    if args.json:
        print_json({"manifest": manifest, "studies": args.number or 10, "seed": args.seed})
    else:
        print(f"{manifest}: {args.number or 10} studies with labels and reports")
    return 0


def _volume(args: argparse.Namespace) -> int:
    from vlp3d_core.volume import check_writable, write_segmentation
    from vlp3d_core.volume.write_image import check_image_name, write_volume

    if args.number is not None:
        raise UsageError("-n is for studies.", "Write `vlp3d phantom studies -n N -o FOLDER`.")
    check_image_name(args.output)
    if args.labels is not None:
        if args.labels.absolute() == args.output.absolute():
            raise UsageError(f"Image and labels would both be {args.output}.", "Give them different names.")
        check_writable(args.labels)
    phantom = _phantom(args)
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
                "modality": phantom.volume.modality,
                "contrast": phantom.contrast,
                "region": args.region if args.modality != "EM" else "neuropil",
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
    unit, factor = ("nm", 1e6) if args.modality == "EM" else ("mm", 1.0)
    spacing = " x ".join(f"{factor * mm:.2f}" for mm in phantom.volume.spacing)
    look = f" {phantom.contrast}" if phantom.contrast else ""
    print(f"{args.output}: {args.modality}{look}, {size} voxels of {spacing} {unit}, {len(structures)} structures")
    if args.labels:
        print(f"{args.labels}: their labels")
    return 0


def _phantom(args: argparse.Namespace) -> Phantom:
    from vlp3d_core.phantom import make_em, make_phantom

    _check_contrast(args)
    chosen: dict[str, Any] = {} if args.spacing is None else {"spacing": (args.spacing,) * 3}
    if args.modality == "EM":
        if args.region != REGIONS[0]:
            raise UsageError("An EM phantom is a block of neuropil.", "Leave out --region.")
        return make_em(args.seed, **chosen)
    if args.modality == "MR":
        chosen |= {"modality": "MR", "contrast": args.contrast}
    return make_phantom(args.seed, args.region, **chosen)


def _check_contrast(args: argparse.Namespace) -> None:
    if args.contrast and args.modality != "MR":
        raise UsageError(f"A {args.modality} has no contrast {args.contrast}.", "Add --modality MR.")


def _millimetres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-6 <= value <= 50:
        raise argparse.ArgumentTypeError(f"{text} is not a voxel size from 0.2 to 50 mm (EM: 2e-6 to 6e-5)")
    return value

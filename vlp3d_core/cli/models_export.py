"""`vlp3d models export`: a model for others, as our bundle, as a MONAI bundle, or as ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlp3d_core.cli.output import print_json
from vlp3d_core.errors import MedVLPError

FORMATS = ("bundle", "monai", "onnx")


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("model", metavar="NAME|FOLDER", help="`vlp3d models` lists them")
    parser.add_argument("--format", choices=FORMATS, required=True, help="a zip, or a new folder for monai and onnx")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(act=_export)


def _export(args: argparse.Namespace) -> int:
    from vlp3d_core.cli.options import check_folders
    from vlp3d_core.model.bundle import AFFINITIES
    from vlp3d_core.model.networks import CLOSED_SET
    from vlp3d_core.model.registry import find_bundle

    check_folders([args.output])
    bundle = find_bundle(args.model)
    difference: float | None = None
    if args.format == "bundle":
        from vlp3d_core.model.export_bundle import export_bundle

        export_bundle(bundle, args.output)
    elif bundle.kind == CLOSED_SET:
        raise MedVLPError(
            f"{bundle.name} came from a MONAI bundle.", "Use that one, or export it with --format bundle."
        )
    elif bundle.kind == AFFINITIES:
        raise MedVLPError(
            f"{bundle.name} needs more than its network: instances are made of its affinities.",
            "Export it with --format bundle.",
        )
    elif args.format == "monai":
        from vlp3d_core.model.export_monai import export_monai

        difference = export_monai(bundle, args.output)
    else:
        from vlp3d_core.model.export_onnx import export_onnx

        difference = export_onnx(bundle, args.output)
    if args.json:
        facts = {"name": bundle.name, "format": args.format, "output": args.output}
        print_json(facts | {"difference_to_pytorch": difference})
        return 0
    checked = "" if difference is None else f"; differs from PyTorch by {difference:.1e} at most"
    print(f"{args.output}: {bundle.name} as {args.format}{checked}")
    return 0

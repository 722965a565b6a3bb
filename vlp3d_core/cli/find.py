"""`vlp3d find`: the regions of a volume that a text names, or that look like a region of another one, best first."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.cli.choice import model_and_volume
from vlp3d_core.cli.options import add_model, add_volume, check_distinct, positive
from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.result import interrupted
from vlp3d_core.errors import UsageError
from vlp3d_core.volume.segmentation import volume_text

if TYPE_CHECKING:
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.predict.find import Regions
    from vlp3d_core.predict.region import Region
    from vlp3d_core.volume import Volume


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("find", description=__doc__)
    add_volume(parser)
    text = parser.add_argument(
        "text", metavar="[TEXT]", help='for example "left parotid gland" or "below the mandible"'
    )
    text.required = False  # with nargs="?" Python 3.11 does not find it behind an option
    parser.add_argument("--like", type=Path, metavar="VOLUME", help="instead of TEXT: a volume with an example")
    parser.add_argument("--region", metavar="LABELS[:VALUE]", help="the example: a label map of it, and which value")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="MASK", help="label map, value = rank: .nii.gz (and .json) or .seg.nrrd"
    )
    parser.add_argument("-k", type=positive, default=5, metavar="K", help="how many regions at most; default 5")
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from vlp3d_core.volume.write import check_writable, companions, write_segmentation

    if (args.text is None) == (args.like is None) or (args.like is None) != (args.region is None):
        raise UsageError("Say what to look for.", "Give TEXT, or both --like VOLUME and --region LABELS[:VALUE].")
    if args.output:
        check_writable(args.output)
        for source in (args.input, *((args.like, _region_of(args.region)[0]) if args.like else ())):
            check_distinct(source, args.output, *companions(args.output))
    regions, model = _find(args)
    written = None
    if args.output and regions:
        from vlp3d_core.predict.mask import regions_as_segmentation

        write_segmentation(regions_as_segmentation(regions, model), args.output)
        written = args.output
    with interrupted(*([written] if written else [])):
        _show(args, regions, model, written)
    return 0


def _find(args: argparse.Namespace) -> tuple[Regions, str]:
    from vlp3d_core.predict.asked import check_query
    from vlp3d_core.predict.loaded import load_model
    from vlp3d_core.volume.write import check_writable

    def ask(bundle: Bundle) -> None:
        if args.text is not None:
            check_query(args.text, bundle)

    bundle, volume, why = model_and_volume(args, ask)
    if args.output:
        check_writable(args.output, volume)
    model = load_model(bundle.folder, args.device)
    if args.like is not None:
        found = _find_alike(args, model, volume)
        return replace(found, notes=(*why, *found.notes)), bundle.name
    with progress_bar(args.json) as progress:
        encoded = model.encode(volume, tile=args.tile, progress=progress)
        found = model.find(encoded, args.text, args.k)
    return replace(found, notes=(*why, *found.notes)), bundle.name


def _find_alike(args: argparse.Namespace, model: LoadedModel, volume: Volume) -> Regions:
    from vlp3d_core.volume.grid import Grid
    from vlp3d_core.volume.modality import parse_modality
    from vlp3d_core.volume.read import read_volume
    from vlp3d_core.volume.read_labels import read_labels_on

    example = read_volume(args.like, modality=parse_modality(args.modality) if args.modality else None)
    path, value = _region_of(args.region)
    labels = read_labels_on(path, Grid.of(example), args.like)
    values = [int(one) for one in np.unique(labels) if one]
    if value is None and len(values) > 1:
        raise UsageError(f"{path} holds {len(values)} regions.", f"Say which: {path}:{values[0]}, for example.")
    value = value if value is not None else (values or [1])[0]
    with progress_bar(args.json) as progress:
        likeness = model.likeness(example, labels == value, f"{path.name}:{value}", args.tile, progress)
        return model.find_alike(volume, likeness, args.k, args.tile, progress)


def _region_of(text: str) -> tuple[Path, int | None]:
    """File and value of "labels.nii.gz:3"; a colon may stand in a file's name, too."""
    name, colon, value = text.rpartition(":")
    return (Path(name), int(value)) if colon and value.isascii() and value.isdecimal() else (Path(text), None)


def _show(args: argparse.Namespace, regions: Regions, model: str, written: Path | None) -> None:
    notes = list(regions.notes)
    if args.output and not written:
        notes.append(f"No region was found, so {args.output} was not written.")
    for note in notes:
        print_note(note)
    if args.json:
        print_json(
            {"model": model, "text": regions.prompt.text, "output": written, "regions": _rows(regions), "notes": notes}
        )
    elif regions:
        print_table(
            ("RANK", "REGION", "SCORE", "CENTRE (R, A, S MM)", "VOLUME"),
            (
                (r["rank"], r["name"], f"{r['score']:.2f}", _place(r["centre_ras_mm"]), volume_text(r["volume_ml"]))
                for r in _rows(regions)
            ),
        )
    else:
        print("Nothing found.")


def _rows(regions: Regions) -> list[dict[str, Any]]:
    return [
        {
            "rank": rank,
            "concept": region.concept.id,
            "name": region.concept.name,
            "score": region.score,
            "centre_ras_mm": [round(value, _digits(region)) for value in region.centre],
            "volume_ml": region.volume_ml,
        }
        for rank, region in enumerate(regions, 1)
    ]


def _digits(region: Region) -> int:
    """Behind the point, so that a hundredth of a voxel shows, but for millimetres and more two."""
    return max(2, 2 - math.floor(math.log10(min(region.encoded.grid.spacing))))


def _place(centre: list[float]) -> str:
    return ", ".join(f"{value:.1f}" if abs(value) >= 0.05 else f"{value:.3g}" for value in centre)

"""`vlp3d demo`: make a phantom of head and neck, segment it, and show the result. A phantom is not a patient."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.options import DEVICES, whole
from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.result import interrupted, result_json, write_table
from vlp3d_core.files import make_folder

if TYPE_CHECKING:
    from vlp3d_core.phantom import Phantom
    from vlp3d_core.volume import Segmentation

FILES = {
    "image": "ct.nii.gz",
    "slicer": "organs.seg.nrrd",
    "nifti": "organs.nii.gz",
    "names": "organs.json",
    "overview": "overview.png",
    "table": "organs.csv",
}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("demo", description=__doc__)
    here = Path("vlp3d-demo")
    parser.add_argument("-o", "--output", type=Path, default=here, metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--seed", type=whole, default=0, help="another seed, another phantom; default 0")
    parser.add_argument("--model", metavar="NAME|FOLDER", help="default: ct-head-neck")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the fastest that is there")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    make_folder(args.output)
    paths = {name: args.output / file for name, file in FILES.items()}
    seconds: dict[str, float] = {}
    with interrupted(*paths.values()):
        phantom, segmentation = _segment(args, paths, seconds)
        _write(phantom, segmentation, paths, seconds)
    dice = _dice(phantom, segmentation)
    for note in segmentation.notes:
        print_note(note)
    if args.json:
        print_json(result_json(segmentation) | {"files": paths, "dice": dice, "seconds": seconds})
    else:
        _show(segmentation, dice, seconds, args.output)
    return 0


def _segment(
    args: argparse.Namespace, paths: dict[str, Path], seconds: dict[str, float]
) -> tuple[Phantom, Segmentation]:
    """The phantom goes through its file, as a patient's scan would."""
    from vlp3d_core.phantom import make_phantom
    from vlp3d_core.volume.read import read_volume
    from vlp3d_core.volume.write_image import write_volume

    with _clock(seconds, "load model"):
        from vlp3d_core.predict.loaded import load_model

        model = load_model(args.model, args.device)
    with _clock(seconds, "make phantom"):
        phantom = make_phantom(args.seed, "head-neck")
        write_volume(phantom.volume, paths["image"])
    with progress_bar(args.json) as progress, _clock(seconds, "segment"):
        return phantom, model.segment(read_volume(paths["image"], modality="CT"), progress=progress)


def _write(phantom: Phantom, segmentation: Segmentation, paths: dict[str, Path], seconds: dict[str, float]) -> None:
    from vlp3d_core.predict.overview import write_overview
    from vlp3d_core.volume import write_segmentation

    with _clock(seconds, "write"):
        write_segmentation(segmentation, paths["slicer"])
        write_segmentation(segmentation, paths["nifti"])
        write_table(segmentation, paths["table"])
    with _clock(seconds, "draw"):
        from vlp3d_core.volume.read import read_volume

        volume = read_volume(paths["image"], modality="CT")
        write_overview(volume, segmentation, paths["overview"], "A phantom of head and neck, segmented")


def _dice(phantom: Phantom, segmentation: Segmentation) -> dict[str, float | None]:
    """Dice of each structure with the phantom's truth; None where the phantom does not have it."""
    import numpy as np

    from vlp3d_core.volume.grid import Grid
    from vlp3d_core.volume.resample_labels import resample_labels

    # The reader may have turned the axes.
    grid = Grid(segmentation.labels.shape, segmentation.affine)
    truth = resample_labels(phantom.labels, Grid.of(phantom.volume), grid)
    values = {concept: value for value, concept in phantom.values.items()}
    out: dict[str, float | None] = {}
    for segment in segmentation.segments:
        value = values.get(segment.concept)
        mine, real = segmentation.labels == segment.value, truth == (value or 0)
        both = int(np.count_nonzero(mine)) + int(np.count_nonzero(real))
        overlap = 2 * int(np.count_nonzero(mine & real)) / max(1, both)
        out[segment.concept] = round(overlap, 4) if value is not None else None
    return out


def _show(segmentation: Segmentation, dice: dict[str, float | None], seconds: dict[str, float], folder: Path) -> None:
    rows = []
    for s in segmentation.segments:
        score = dice[s.concept]
        found = ("yes", f"{s.volume_ml:.1f}") if s.found else ("nothing found", "-")
        rows.append((s.name, *found, f"{s.score:.2f}", "-" if score is None else f"{score:.2f}"))
    print_table(("STRUCTURE", "FOUND", "ML", "SCORE", "DICE (PHANTOM)"), rows)
    print(f"\n{', '.join(f'{stage} {value:.1f} s' for stage, value in seconds.items())}")
    print(f"{folder}: {', '.join(FILES.values())}")


@contextmanager
def _clock(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 2)

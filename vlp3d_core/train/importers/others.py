"""Volumes that a model must refuse, for `vlp3d evaluate refusal --others`, and some that it must not.

    python -m vlp3d_core.train.importers.others DATA --model ct-head-neck -o others.jsonl
    python -m vlp3d_core.train.importers.others DATA --model mr-brain --own -o heads.jsonl

DATA holds the folders openkbp, totalsegmentator, ibsi_sts, …; which volumes are whose is in others.json. For
ct-head-neck there are phantoms and what its own patients show below the larynx, too, written beside the list. `--own`
lists scans of the model's own field instead, where its manifest has made images or phantoms alone; of ct-trunk slabs
of them, too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import make_phantom
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers.openkbp import openkbp_cases
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.write_image import write_volume

MARGIN, LEAST, WHOLE = 10.0, 50.0, 25.0
"""mm: how far below a larynx a scan is cut, how much body must be left, and how high a larynx is that is no stub."""
SLICES = (3, 6, 12)
"""Of slabs."""
BODY_HU, BODY_PART = -500, 0.005
"""A slice shows a body where more than this part of it is above that."""


def listed(model: str, data: Path, kind: str = "others") -> list[Case]:
    """The volumes of others.json for a model; `kind` is "others" or "own".

    Raises:
        MedVLPError: there is no list for the model, or a volume of it is not there.
    """
    table = json.loads((files(__package__) / "others.json").read_text(encoding="utf-8"))[kind]
    if model not in table:
        raise MedVLPError(f"There is no list of volumes ({kind}) for {model}.", f"There is one for {', '.join(table)}.")
    cases = []
    for split, names in table[model].items():
        for name in names:
            if not (data / name).exists():
                raise MedVLPError(f"{data} has no {name}.", "Give the folder of the shared data.")
            cases.append(Case((data / name).resolve(), name.split("_image")[0], split))
    return cases


def phantoms(folder: Path) -> Iterator[Case]:
    """Trunks in CT and heads in MR."""
    for region, modality, seeds, validation in (("trunk", "CT", 16, 6), ("head-neck", "MR", 4, 2)):
        for seed in range(200, 200 + seeds):
            path = folder / f"{region}-{modality}-phantoms" / f"{seed}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(make_phantom(seed, region, spacing=(4, 4, 4), modality=modality).volume, path)
            yield Case(path.resolve(), f"phantom-{region}-{seed}", "validation" if seed < 200 + validation else "test")


def below_the_larynx(data: Path, folder: Path) -> Iterator[Case]:
    """What validation and test patients of openkbp show below their larynx."""
    for case in openkbp_cases(data / "openkbp", load_config("ct-head-neck").splits):
        value = next((value for value, name in case.labels.items() if name == "larynx"), 0)
        if case.split == "train" or case.label is None or not value:
            continue
        volume, (labels, _) = read_volume(case.image, modality="CT"), read_labels(case.label)
        slices, step = np.flatnonzero((labels == value).any((0, 1))), volume.affine[2, 2]
        if len(slices) * abs(step) < WHOLE:
            continue
        apart = int(np.ceil(MARGIN / abs(step)))
        ends = (slices.max() + apart, volume.shape[2]) if step < 0 else (0, max(slices.min() - apart, 0))
        below = volume.part(2, *ends)
        if np.count_nonzero((below.array > BODY_HU).mean((0, 1)) > BODY_PART) * abs(step) < LEAST:
            continue
        path = folder / "below-the-larynx" / f"{case.subject}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(below, path)
        yield Case(path.resolve(), f"{case.subject}-below", case.split)


def slabs(cases: Sequence[Case], folder: Path) -> Iterator[Case]:
    """Of each scan its middle slices, `SLICES` of them, as a scan of few slices shows."""
    for case in cases:
        volume = read_volume(case.image)
        for count in SLICES:
            first = (volume.shape[2] - count) // 2
            path = folder / f"{case.subject.replace('/', '-')}-{count}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(volume.part(2, first, first + count), path)
            yield Case(path.resolve(), f"{case.subject}-{count}", case.split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--model", required=True, help="ct-head-neck, ct-trunk, mr-brain or mr-hippocampus")
    parser.add_argument("--own", action="store_true", help="scans of the model's own field")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    cases = listed(args.model, args.data, "own" if args.own else "others")
    if args.model == "ct-head-neck" and not args.own:
        made = args.output.parent / f"{args.output.stem}-volumes"
        cases += [*phantoms(made), *below_the_larynx(args.data, made)]
    if args.model == "ct-trunk" and args.own:
        cases += slabs(tuple(cases), args.output.parent / f"{args.output.stem}-volumes")
    write_manifest(cases, args.output)
    print(f"{args.output}: {len(cases)} volumes")


if __name__ == "__main__":
    main()

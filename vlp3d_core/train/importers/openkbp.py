"""openkbp: CT of the head and neck with organs at risk, 128³, contours only of what a plan needed.

    python -m vlp3d_core.train.importers.openkbp FOLDER -o manifest.jsonl [--negatives FOLDER] [--phantoms 12]

The recipe lists the subjects of the validation and test splits; all others are for training.
`vlp3d manifest build FOLDER --layout openkbp` makes the same without negatives and phantoms.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import make_phantom
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers.request import Request
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

ELSEWHERE = ("brainstem", "parotid_gland_right", "parotid_gland_left", "larynx", "mandible")
"""Structures that a CT of the trunk or a leg certainly does not show (it may show the spinal cord and esophagus)."""

PLAUSIBLE_ML = {
    "brainstem": (8, 60),
    "spinal_cord": (8, 80),
    "parotid_gland_right": (6, 90),
    "parotid_gland_left": (6, 90),
    "esophagus": (4, 60),
    "larynx": (8, 90),
    "mandible": (25, 150),
}
"""What a whole structure of an adult may measure. Some plans hold a stub (a larynx of 0.5 ml) or a slip (a spinal cord
of 1.4 l); training on them would teach that the rest of the larynx is background. Validation and test keep them all."""

NEGATIVES = (
    "ibsi_sts/STS_00*_CT_image.nii.gz",
    "totalsegmentator/example_ct.nii.gz",
    "totalsegmentator/pulmonary_report_ct_cropped.nii.gz",
    "totalsegmentator/aorta_report_ct_cropped.nii.gz",
)
"""CT of other regions in the shared data folder: they teach the model to find nothing where there is nothing."""


RECIPE = "ct-head-neck"


def read(request: Request) -> Collected:
    """All patients, with the splits of the recipe."""
    cases = openkbp_cases(request.folder, load_config(RECIPE).splits)
    return Collected(tuple(cases), (f"The splits are those of the recipe {RECIPE}.",))


def openkbp_cases(folder: Path, splits: dict[str, list[str]]) -> list[Case]:
    """All patients of the folder (`pt_N_ct.nii.gz`, `pt_N_organs.nii.gz`, `labels.json`).

    A structure counts as contoured in a patient when the label map has a voxel of it; for training it must also have a
    plausible volume, see `PLAUSIBLE_ML`.

    Raises:
        MedVLPError: the folder has no such files.
    """
    names = folder / "labels.json"
    images = sorted(folder.glob("pt_*_ct.nii.gz"), key=lambda p: int(p.name.split("_")[1]))
    if not names.exists() or not images:
        raise MedVLPError(
            f"{folder} does not hold openkbp.", "It needs pt_N_ct.nii.gz, pt_N_organs.nii.gz, labels.json."
        )
    labels = {int(k): v for k, v in json.loads(names.read_text()).items() if k.isdigit()}
    where = {subject: split for split, subjects in splits.items() for subject in subjects}
    cases = []
    for image in images:
        subject = image.name.removesuffix("_ct.nii.gz")
        label = image.with_name(f"{subject}_organs.nii.gz")
        split = where.get(subject, "train")
        volumes = _volumes_ml(label)
        contoured = tuple(
            concept
            for value, concept in labels.items()
            if value in volumes and (split != "train" or _plausible(concept, volumes[value]))
        )
        cases.append(Case(image.resolve(), subject, split, label.resolve(), labels, contoured, "CT"))
    return cases


def _volumes_ml(label: Path) -> dict[int, float]:
    """Label value → ml, of the values that occur."""
    array, affine = read_labels(label)
    values, voxels = np.unique(array[array > 0], return_counts=True)
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    return {int(value): float(count * voxel_ml) for value, count in zip(values, voxels, strict=True)}


def _plausible(concept: str, ml: float) -> bool:
    least, most = PLAUSIBLE_ML[concept]
    return least <= ml <= most


def negative_cases(folder: Path) -> list[Case]:
    """CT volumes of other regions, for training only; nothing is labelled, the head's structures are absent."""
    files = sorted(file for pattern in NEGATIVES for file in folder.glob(pattern))
    return [
        Case(f.resolve(), f"other-{f.name.split('.')[0]}", "train", contoured=ELSEWHERE, modality="CT") for f in files
    ]


def phantom_cases(count: int, folder: Path) -> list[Case]:
    """Procedural heads and necks, and a third as many trunks that show none of the head; written into `folder`.

    Training only. Their seeds start at 1000, so that demonstrations and tests with small seeds use unseen ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for region, number in (("head-neck", count), ("trunk", count // 3)):
        for seed in range(1000, 1000 + number):
            phantom = make_phantom(seed, region)
            image, label = folder / f"{region}-{seed}.nii.gz", folder / f"{region}-{seed}-labels.nii.gz"
            write_volume(phantom.volume, image)
            write_segmentation(phantom.segmentation(), label)
            # A trunk ends below the larynx or above it, as its field of view has it: only the absent is certain.
            absent = tuple(c for c in ELSEWHERE if c not in phantom.values.values())
            contoured = None if region == "head-neck" else absent
            labels = phantom.values if region == "head-neck" else {}
            cases.append(
                Case(image.resolve(), f"phantom-{region}-{seed}", "train", label.resolve(), labels, contoured, "CT")
            )
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a manifest of an openkbp folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", default=RECIPE, help="recipe with the lists of subjects")
    parser.add_argument("--negatives", type=Path, help="folder with CT volumes of other regions, see NEGATIVES")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="add N procedural heads and N/3 trunks")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    cases = openkbp_cases(args.folder, load_config(args.recipe).splits)
    if args.negatives:
        cases += negative_cases(args.negatives)
    if args.phantoms:
        cases += phantom_cases(args.phantoms, args.output.parent / "phantoms")
    write_manifest(cases, args.output)
    counts = {split: sum(case.split == split for case in cases) for split in ("train", "validation", "test")}
    print(f"{args.output}: {counts}")


if __name__ == "__main__":
    main()

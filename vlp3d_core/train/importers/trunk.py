"""CT of the trunk that TotalSegmentator ships with its tests: one patient with 61 structures, two crops of a chest.

    python -m vlp3d_core.train.importers.trunk FOLDER -o trunk.jsonl [--heads OPENKBP] [--phantoms 16]

FOLDER holds example_ct.nii.gz and example_seg_fast_force_split.nii.gz, whose header names its values, and, if there,
aorta_report_* and pulmonary_report_*. Their labels are another model's. In the crops nobody drew the lungs; they are
found by their HU, see `lungs`. One patient is not many: phantoms give other proportions, heads what is no trunk.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.phantom import make_phantom
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers.openkbp import openkbp_cases
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

RECIPE = "ct-trunk"
IMAGE, LABELS = "example_ct.nii.gz", "example_seg_fast_force_split.nii.gz"
AORTA_IMAGE, AORTA = "aorta_report_ct_cropped.nii.gz", "aorta_report_aorta.nii.gz"
CHEST = "pulmonary_report_ct_cropped.nii.gz"
LUNG_HU, AIR_HU, LUNG_ML, APART_MM = -400, -930, 80, 3.0
"""Lungs are below the first and above the second on average, larger than gas in the bowel, and thicker by twice the
last than the place where they touch."""
NOT_IN_HEADS = (
    *("liver", "gallbladder", "spleen", "stomach", "pancreas", "duodenum", "small_bowel", "colon"),
    *("kidney_left", "kidney_right", "adrenal_gland_left", "adrenal_gland_right", "urinary_bladder", "prostate"),
    *("inferior_vena_cava", "portal_vein_and_splenic_vein", "sacrum", "costal_cartilages"),
    *("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right"),
    *("hip_left", "hip_right", "femur_left", "femur_right", "iliopsoas_left", "iliopsoas_right"),
    *("gluteus_maximus_left", "gluteus_maximus_right", "gluteus_medius_left", "gluteus_medius_right"),
    *("gluteus_minimus_left", "gluteus_minimus_right"),
)
"""Of the recipe's structures, those that a CT of the head and neck certainly does not show."""
CHEST_SUBJECT = "chest"
"""Both crops are of one patient."""
WEIGHT = 24
"""The one patient is drawn this much more often than a phantom."""
CROP_WEIGHT = 6


def whole(concept: str) -> str:
    """The recipe's structure that one of TotalSegmentator's is a part of: lobes are lungs, and levels are vertebrae."""
    if concept.startswith("lung_"):
        return "lung_left" if concept.endswith("_left") else "lung_right"
    if concept == "vertebrae_S1":
        return "sacrum"
    return "vertebrae" if concept.startswith("vertebrae_") else concept


def trunk_cases(folder: Path, out: Path) -> list[Case]:
    """The patient and the crops; maps that are made are written into `out`.

    Raises:
        MedVLPError: the folder does not hold them.
    """
    image, label = folder / IMAGE, folder / LABELS
    if not image.is_file() or not label.is_file():
        raise MedVLPError(f"{folder} does not hold {IMAGE} and {LABELS}.", "They are in TotalSegmentator's tests.")
    labels = {value: whole(name) for value, name in names_in(label).items()}
    # The field of view ends within the chest, and what is not in the map is not in the image.
    cases = [Case(image, "example", "train", label, labels, tuple(load_config(RECIPE).concepts), "CT", weight=WEIGHT)]
    for crop, aorta in ((AORTA_IMAGE, AORTA), (CHEST, None)):
        if (folder / crop).is_file():
            cases.append(_crop(folder / crop, folder / aorta if aorta else None, out))
    return cases


def names_in(path: Path) -> dict[int, str]:
    """The names that a NIfTI file gives its values in an extension of its header, as Connectome Workbench defines it.

    Raises:
        MedVLPError: it gives none.
    """
    image = nib.load(path)
    extensions = image.header.extensions if isinstance(image, Nifti1Image) else []
    for extension in extensions:
        content = extension.get_content()
        try:
            tree = ElementTree.fromstring(bytes(content).strip(b"\0").decode() if isinstance(content, bytes) else "")
        except (ElementTree.ParseError, UnicodeDecodeError):
            continue
        if found := {int(row.attrib["Key"]): (row.text or "").strip() for row in tree.iter("Label")}:
            return found
    raise MedVLPError(f"{path} does not name its values.", "Take the file as TotalSegmentator wrote it.")


def lungs(volume: Volume) -> NDArray[np.uint8]:
    """1 where the left lung is, 2 for the right one, by HU and size alone; 0 elsewhere. Lungs may touch each other.

    Raises:
        MedVLPError: there are not exactly two large spaces of lung.
    """
    air = volume.array < LUNG_HU
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(air, 1), spacing))[1:-1, 1:-1, 1:-1]
    cores, count = ndimage.label(depth > APART_MM)
    numbers = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(cores > 0, cores, numbers) * np.prod(spacing) / 1000
    density = ndimage.mean(volume.array, cores, numbers)
    large = [int(n) for n in numbers[(sizes > LUNG_ML) & (density > AIR_HU)]]
    if len(large) != 2:
        raise MedVLPError(f"There are {len(large)} large spaces of lung.", "Draw the lungs by hand.")
    middles = {n: (volume.affine @ [*np.argwhere(cores == n).mean(0), 1])[0] for n in large}
    sides = np.zeros(count + 1, np.uint8)
    sides[sorted(large, key=lambda n: middles[n])] = 1, 2  # from left to right in RAS
    far, nearest = ndimage.distance_transform_edt(sides[cores] == 0, spacing, return_indices=True)
    out = np.where(air & (far < 2 * APART_MM), sides[cores][tuple(nearest)], 0)
    for value in (1, 2):  # vessels belong to a lung
        out[ndimage.binary_closing(out == value, iterations=3) & (out == 0)] = value
    return out.astype(np.uint8)


def _crop(image: Path, aorta: Path | None, out: Path) -> Case:
    """Lungs, and the aorta where somebody drew it; everything else is unknown."""
    volume = read_volume(image, modality="CT")
    labels, names = lungs(volume), {1: "lung_left", 2: "lung_right"}
    if aorta is not None:
        labels[read_labels(aorta)[0] > 0] = 3
        names[3] = "aorta"
    file = out / f"{image.name.removesuffix('.nii.gz')}-labels.nii.gz"
    with replacing(file) as temporary:
        nib.save(nib.Nifti1Image(labels, volume.affine), temporary)
    return Case(image, CHEST_SUBJECT, "train", file, names, None, "CT", weight=CROP_WEIGHT)


def phantom_cases(first: int, count: int, split: str, folder: Path) -> list[Case]:
    """Procedural trunks, by seeds from `first` on; written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for seed in range(first, first + count):
        phantom = make_phantom(seed, "trunk")
        image, label = folder / f"trunk-{seed}.nii.gz", folder / f"trunk-{seed}-labels.nii.gz"
        write_volume(phantom.volume, image)
        write_segmentation(phantom.segmentation(), label)
        cases.append(Case(image, f"phantom-trunk-{seed}", split, label, _wholes(phantom.values), None, "CT"))
    return cases


def _wholes(values: Mapping[int, str]) -> dict[int, str]:
    return {value: whole(name) for value, name in values.items()}


def head_cases(folder: Path, count: int) -> list[Case]:
    """The first training patients of openkbp: what is no trunk. Their spinal cords are known."""
    train = [case for case in openkbp_cases(folder, load_config("ct-head-neck").splits) if case.split == "train"]
    return [
        Case(c.image, c.subject, "train", c.label, c.labels, (*NOT_IN_HEADS, *_cord(c)), "CT") for c in train[:count]
    ]


def _cord(case: Case) -> tuple[str, ...]:
    return ("spinal_cord",) if "spinal_cord" in (case.contoured or ()) else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--heads", type=Path, help="folder of openkbp: 12 of its patients show what is no trunk")
    parser.add_argument("--phantoms", type=int, default=16, metavar="N", help="procedural trunks, and 4 for validation")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    made = args.output.parent / f"{args.output.stem}-volumes"
    made.mkdir(parents=True, exist_ok=True)
    cases = trunk_cases(args.folder, made)
    cases += phantom_cases(1000, args.phantoms, "train", made) + phantom_cases(2000, 4, "validation", made)
    cases += head_cases(args.heads, 12) if args.heads else []
    write_manifest([_absolute(case) for case in cases], args.output)
    print(f"{args.output}: {len(cases)} volumes")


def _absolute(case: Case) -> Case:
    return replace(case, image=case.image.resolve(), label=case.label.resolve() if case.label else None)


if __name__ == "__main__":
    main()

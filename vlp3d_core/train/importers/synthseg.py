"""Label maps without images, as SynthSeg's authors publish them: whole heads, to make images from while training.

Layout: labels.json {"2": "cerebral_white_matter_left", ...}, its names being concepts, and beside it one label map a
subject (training_seg_01.nii.gz, ...). Values that labels.json does not name are tissues, too, but nothing to learn:
below 500 they follow FreeSurfer, from 500 on they lie outside the brain (skull, skin, eyes, ...). What 136, 137, 163
and 164 are could not be verified; by their place they are two pairs.

A map of tissues is written for each: both sides of a structure have one number, for they look alike in a scan. Numbers
from 100 on lie outside the brain.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from vlp3d_core.files import replacing
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.collect import Collected, with_splits
from vlp3d_core.train.importers.convert import converted
from vlp3d_core.train.importers.request import Request, some
from vlp3d_core.train.manifest import TISSUES, Case
from vlp3d_core.train.synthesis.settings import LESION_CONCEPT
from vlp3d_core.train.synthesis.tissues import MOST
from vlp3d_core.volume.read_labels import read_labels

PAIRS = {57: 25, 62: 30, 163: 136, 164: 137}
"""Right → left of values without a name."""
FIRST_OUTSIDE, OUTSIDE = 500, 100
"""First label value outside the brain, and the tissue that it becomes."""


def read(request: Request) -> Collected:
    """Every map, split by seed; what its values are called is the same in all."""
    names = _names(request)
    maps = sorted(p for p in request.folder.glob("*.nii.gz") if not p.name.startswith("."))
    if not maps:
        raise request.misfit("there is no label map (.nii.gz) in it")
    values = sorted({int(value) for path in maps for value in np.unique(read_labels(path)[0]) if value})
    tissues = tissues_of(values, names)
    if len(tissues) > OUTSIDE - 1 or max(tissues.values()) > MOST:
        raise request.misfit(f"its maps have {len(values)} values, more than there can be tissues")
    # No map names lesions: what a map has of their tissue, and what is drawn, is labelled when images are made.
    known = (*names.values(), LESION_CONCEPT)
    cases = []
    for number, path in enumerate(maps, 1):
        subject = path.name.removesuffix(".nii.gz")
        image = converted(path, request.out / f"{subject}-tissues.nii.gz", partial(_write_tissues, path, tissues))
        cases.append(Case(image, subject, "train", path, names, known, "MR", made_from=TISSUES))
        request.step(number, len(maps))
    notes = ["The images are maps of tissues; a recipe with the setting synthesis makes scans of them."]
    if unnamed := [value for value in values if value not in names]:
        notes.append(f"There is no concept for the label values {some(map(str, unnamed))}.")
    return Collected(tuple(with_splits(cases, request.seed)), tuple(notes))


def tissues_of(values: Collection[int], names: Mapping[int, str]) -> dict[int, int]:
    """Label value → tissue: from 1 on inside the brain, from 100 on outside; one number for both sides.

    Args:
        values: that occur, above 0.
        names: value → concept, for those that have one.
    """
    kinds = {value: _without_side(names[value]) if value in names else str(PAIRS.get(value, value)) for value in values}
    inside, outside = (
        list(dict.fromkeys(kinds[value] for value in values if (value >= FIRST_OUTSIDE) == beyond))
        for beyond in (False, True)
    )
    numbers = {kind: 1 + n for n, kind in enumerate(inside)} | {kind: OUTSIDE + n for n, kind in enumerate(outside)}
    return {value: numbers[kind] for value, kind in kinds.items()}


def _without_side(name: str) -> str:
    return name.removesuffix("_left").removesuffix("_right")


def _names(request: Request) -> dict[int, str]:
    """Label value → concept."""
    try:
        rows = json.loads((request.folder / "labels.json").read_text(encoding="utf-8-sig"))
        names = {int(value): str(name) for value, name in rows.items() if value.isdecimal() and int(value) > 0}
    except (OSError, ValueError, AttributeError) as error:
        raise request.misfit("there is no labels.json in it that names label values") from error
    names = {value: name for value, name in names.items() if name in concepts()}
    if not names:
        raise request.misfit("its labels.json names no concept")
    return names


def _write_tissues(source: Path, tissues: Mapping[int, int], target: Path) -> None:
    labels, affine = read_labels(source)
    table = np.zeros(int(labels.max()) + 1, np.uint8)
    for value, tissue in tissues.items():
        if value < len(table):
            table[value] = tissue
    with replacing(target) as temporary:
        nib.save(nib.Nifti1Image(table[labels], affine), temporary)

"""CC-CCII (China Consortium of Chest CT Image Investigation): chest CT as pictures, three classes.

Layout: NCP/ (COVID-19 pneumonia), CP/ (other pneumonia), Normal/, each PATIENT/SCAN/ with the slices as .png, .jpg,
.jpeg, .bmp or .tif, numbered in their names. Every scan becomes one .nrrd. Findings: `pneumonia` and
`lung_covid_infiltrate`. Patients are numbered within their class; splits are by seed.

Cannot be known: **spacing** (1 mm is written for all directions: neither mm nor ml of these volumes mean anything),
**HU** (8-bit grey values of an unknown window are kept as they are: use a normalisation by percentiles), and which end
of a stack is the head (slices keep the order of their numbers). What others found wrong with single scans is not
corrected here.

Not verified on the real files: the names of the slices, and whether any are of colour (of those, the mean of the
channels is taken).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import Collected, with_splits
from vlp3d_core.train.importers.convert import converted, write_slices
from vlp3d_core.train.importers.ctrg_chest import PICTURES
from vlp3d_core.train.importers.request import Request, some
from vlp3d_core.train.manifest import Case

CLASSES = {
    "NCP": {"pneumonia": True, "lung_covid_infiltrate": True},
    "CP": {"pneumonia": True, "lung_covid_infiltrate": False},
    "Normal": {"pneumonia": False, "lung_covid_infiltrate": False},
}
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
SPACING = (1.0, 1.0, 1.0)


def read(request: Request) -> Collected:
    """Convert every scan of two slices and more."""
    scans = sorted(p for name in CLASSES for p in request.folder.glob(f"{name}/*/*") if p.is_dir())
    if not scans:
        raise request.misfit("there is no NCP/, CP/ or Normal/ with PATIENT/SCAN/ in it")
    cases, short = [], []
    for number, scan in enumerate(scans, 1):
        kind, patient = scan.parts[-3], scan.parts[-2]
        pictures = slices_of(scan)
        name = f"{kind}-{patient}-{scan.name}"
        if len(pictures) < 2:
            short.append(name)
        else:
            image = converted(scan, request.out / f"{name}.nrrd", partial(_write, pictures))
            cases.append(Case(image, f"{kind}-{patient}", "train", modality="CT", findings=CLASSES[kind]))
        request.step(number, len(scans))
    if not cases:
        raise request.misfit("its scans hold no pictures")
    notes = [PICTURES]
    if short:
        notes.append(f"{len(short)} scans have fewer than two slices and are left out: {some(short)}.")
    return Collected(tuple(with_splits(cases, request.seed)), tuple(notes))


def slices_of(scan: Path) -> list[Path]:
    """The pictures of a scan in the order of the numbers in their names: 2.png before 10.png."""
    pictures = [p for p in scan.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")]
    return sorted(pictures, key=lambda p: ([int(n) for n in re.findall(r"\d+", p.stem)], p.name))


def _write(pictures: list[Path], target: Path) -> None:
    slices = [_grey(path) for path in pictures]
    for path, part in zip(pictures, slices, strict=True):
        if part.shape != slices[0].shape:
            raise MedVLPError(
                f"{path} has {part.shape[1]} x {part.shape[0]} pixels, and {pictures[0].name} "
                f"{slices[0].shape[1]} x {slices[0].shape[0]}.",
                "Remove the scan or the picture that does not belong to it.",
            )
    write_slices(np.stack(slices), SPACING, target)


def _grey(path: Path) -> NDArray[Any]:
    """A picture as (rows, columns) in its own type."""
    try:
        picture = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise MedVLPError(f"{path} cannot be read as a picture.", "Unpack the data set again.") from error
    array = sitk.GetArrayFromImage(picture)
    if picture.GetNumberOfComponentsPerPixel() > 1:
        array = np.rint(array[..., :3].mean(axis=-1)).astype(array.dtype)
    flat: NDArray[Any] = array.reshape(array.shape[-2:])
    return flat

"""COVID-19-20: chest CT of patients with COVID-19 and contours of the lung lesions.

Layout: Train/volume-covid19-A-0003_ct.nii.gz with ..._seg.nii.gz (1 = lesion), and Validation/..._ct.nii.gz, whose
contours were kept back. The 199 labelled volumes are split by seed (MG-3D uses five folds of its own); those without
contours are "test". A number is taken for a patient.
"""

from __future__ import annotations

from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request, some, volumes_below
from vlp3d_core.train.importers.splits import labelled_splits
from vlp3d_core.train.manifest import Case

LESION = "lung_covid_infiltrate"


def read(request: Request) -> Collected:
    """Every volume, with its lesions where they are published."""
    files = volumes_below(request.folder, ".nii.gz", ".nii")
    stems = {name.removesuffix(".gz").removesuffix(".nii"): path for name, path in files.items()}
    images = {
        stem[:-3]: path for stem, path in stems.items() if stem.startswith("volume-covid19-") and stem[-3:] == "_ct"
    }
    labels = {stem[:-4]: path for stem, path in stems.items() if stem[-4:] == "_seg"}
    if not images:
        raise request.misfit("there is no volume-covid19-A-XXXX_ct.nii.gz in it")
    cases = []
    for subject, image in images.items():
        label = labels.get(subject)
        values, contoured = ({1: LESION}, (LESION,)) if label else ({}, None)
        cases.append(Case(image, subject, "train", label, values, contoured, "CT"))
    notes = []
    if hidden := [subject for subject in images if subject not in labels]:
        notes.append(f"{len(hidden)} volumes have no contours; they are in the split test: {some(hidden)}.")
    if lonely := [subject for subject in labels if subject not in images]:
        notes.append(f"{len(lonely)} label maps have no volume: {some(lonely)}.")
    return Collected(tuple(labelled_splits(cases, request.seed)), tuple(notes))

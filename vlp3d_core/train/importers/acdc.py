"""ACDC (Automated Cardiac Diagnosis Challenge): cine MR of the heart, short axis.

Layout: training/patient001 to 100 and testing/patient101 to 150, each with Info.cfg ("ED: 1", "ES: 12", "Group: DCM",
...), patient001_4d.nii.gz, and for the frames at end-diastole and end-systole patient001_frame01.nii.gz and
patient001_frame01_gt.nii.gz: 1 right ventricle, 2 myocardium, 3 left ventricle. Further folders around them are fine.

Each of the two frames is a case of its patient. Testing is "test" as published; a tenth of the training patients is
"validation". The diagnosis (Group) is not taken over. Left out: the 4D series.
"""

from __future__ import annotations

from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request, some
from vlp3d_core.train.importers.splits import with_validation
from vlp3d_core.train.manifest import Case

LABELS = {1: "heart_ventricle_right", 2: "heart_myocardium", 3: "heart_ventricle_left"}
TIMES = ("ED", "ES")


def read(request: Request) -> Collected:
    """Both frames of every patient."""
    patients = sorted(path.parent for path in request.folder.rglob("patient*/Info.cfg"))
    if not patients:
        raise request.misfit("there is no patientXXX/Info.cfg in it")
    cases = [case for patient in patients for case in _cases(patient)]
    without = sorted({case.subject for case in cases if case.label is None})
    notes = [f"{len(without)} patients have no reference (_gt): {some(without)}."] if without else []
    return Collected(tuple(with_validation(cases, request.seed)), tuple(notes))


def _cases(patient: Path) -> list[Case]:
    split = "test" if patient.parent.name.lower() == "testing" else "train"
    cases = []
    for frame in _frames(patient / "Info.cfg"):
        stem = f"{patient.name}_frame{frame:02d}"
        image, label = _file(patient, stem), _file(patient, f"{stem}_gt")
        if image is None:
            raise MedVLPError(
                f"{patient} has no volume {stem}.nii.gz, which its Info.cfg names.", "Unpack the data set again."
            )
        values, contoured = (LABELS, tuple(LABELS.values())) if label else ({}, None)
        cases.append(Case(image, patient.name, split, label, values, contoured, "MR"))
    return cases


def _frames(path: Path) -> list[int]:
    """The frames at end-diastole and end-systole."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    frames = [values.get(time, "") for time in TIMES]
    if not all(frame.isascii() and frame.isdecimal() for frame in frames):
        raise MedVLPError(f"{path} does not say which frames are ED and ES.", "Unpack the data set again.")
    return list(dict.fromkeys(map(int, frames)))


def _file(folder: Path, stem: str) -> Path | None:
    return next((path for ending in (".nii.gz", ".nii") if (path := folder / f"{stem}{ending}").is_file()), None)

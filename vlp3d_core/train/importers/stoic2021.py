"""STOIC2021: chest CT of patients suspected of COVID-19; the public training set of 2,000.

Layout: data/mha/ID.mha; metadata/reference.csv with PatientID, probCOVID (1: RT-PCR positive), probSevere (1:
intubated or dead within a month). Both are results of the patient and not of the picture, so they have names of their
own, `covid_19` and `severe_covid_19`, and no concept. There is one CT a patient. Splits are by seed: the challenge's
own test set is not public.
"""

from __future__ import annotations

from vlp3d_core.train.collect import Collected, with_splits
from vlp3d_core.train.importers.request import Request, some, volumes_below
from vlp3d_core.train.importers.tables import flag, rows_of
from vlp3d_core.train.manifest import Case

FINDINGS = {"probCOVID": "covid_19", "probSevere": "severe_covid_19"}


def read(request: Request) -> Collected:
    """Every volume with its two results."""
    table = request.folder / "metadata" / "reference.csv"
    if not table.is_file():
        raise request.misfit("there is no metadata/reference.csv in it")
    volumes = {path.stem: path for path in volumes_below(request.folder / "data", ".mha").values()}
    if not volumes:
        raise request.misfit("there is no data/mha/ID.mha in it")
    rows = {row["PatientID"]: row for row in rows_of(table, ("PatientID", *FINDINGS))}
    cases = []
    for patient, path in volumes.items():
        flags = {name: flag(rows[patient][column]) for column, name in FINDINGS.items()} if patient in rows else {}
        findings = {name: there for name, there in flags.items() if there is not None}
        cases.append(Case(path, patient, "train", modality="CT", findings=findings))
    notes = []
    if absent := sorted(set(rows) - set(volumes)):
        notes.append(f"{len(absent)} patients of reference.csv have no volume here: {some(absent)}.")
    if unlisted := sorted(set(volumes) - set(rows)):
        notes.append(f"{len(unlisted)} volumes are not in reference.csv and have no findings: {some(unlisted)}.")
    return Collected(tuple(with_splits(cases, request.seed)), tuple(notes))

"""BIMCV-R: 8,069 CT volumes, mostly of the chest, with reports.

Layout (huggingface.co/datasets/cyd0806/BIMCV-R, as the authors' MedFinder reads it): meta/curated_ct_report_path_En.csv
with PatientID, ReportID, Report (Spanish), Report_en, ct_path, ...; ct_path is a path of the authors' machine, of which
the file's name counts; volumes lie in ct/ (or CT*/ct/) as sub-S..._ses-E..._ct.nii.gz. There is no XLSX file.

Report_en is a machine's translation, with words that stayed Spanish. The columns of labels name only what is there, and
not what was looked for and is absent, so no findings are made of them. Splits are by seed and patient.
"""

from __future__ import annotations

from pathlib import Path

from vlp3d_core.train.collect import Collected, with_splits
from vlp3d_core.train.importers.request import Request, some, volumes_below
from vlp3d_core.train.importers.tables import rows_of
from vlp3d_core.train.manifest import Case

TABLE = "curated_ct_report_path_En.csv"
COLUMNS = ("PatientID", "Report_en", "ct_path")


def read(request: Request) -> Collected:
    """Every volume that the table names."""
    tables = sorted(request.folder.rglob(TABLE))
    if not tables:
        raise request.misfit(f"there is no {TABLE} in it")
    volumes = volumes_below(request.folder, ".nii.gz")
    cases: dict[Path, Case] = {}
    absent, twice = [], []
    for row in rows_of(tables[0], COLUMNS):
        name = row["ct_path"].replace("\\", "/").split("/")[-1]
        path = volumes.get(name)
        if path is None:
            absent.append(name)
        elif path in cases:
            twice.append(name)
        else:
            cases[path] = Case(path, row["PatientID"], "train", modality="CT", report=row["Report_en"])
    if not cases:
        raise request.misfit(f"there is none of the volumes that {TABLE} names")
    notes = []
    if absent:
        notes.append(f"{len(absent)} reports have no volume here: {some(absent)}.")
    if twice:
        notes.append(f"{len(twice)} volumes have two reports, of which the first counts: {some(twice)}.")
    if unlisted := [name for name, path in volumes.items() if path not in cases]:
        notes.append(f"{len(unlisted)} volumes have no report and are left out: {some(unlisted)}.")
    return Collected(tuple(with_splits(cases.values(), request.seed)), tuple(notes))

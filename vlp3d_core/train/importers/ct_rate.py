"""CT-RATE: chest CT with reports and labels of 18 abnormalities.

Layout (huggingface.co/datasets/ibrahimhamamci/CT-RATE): dataset/train_fixed/train_1/train_1_a/train_1_a_1.nii.gz is
split_patient_scan_reconstruction; dataset/radiology_text_reports/*.csv with VolumeName, Findings_EN, Impressions_EN;
dataset/multi_abnormality_labels/*_predicted_labels.csv with VolumeName and a column of 0 or 1 for each abnormality. All
reconstructions of a scan are listed, with the same report. Volumes named in no_chest_train.txt and no_chest_valid.txt
(heads; names of these files seen in third-party code only) are left out where these lists lie in the folder.

The labels were predicted from the reports by a program. Patients of "valid" are those that published scores are of;
they become "test", and a tenth of the training patients "validation", so that nothing is chosen by what is scored.

Findings have a concept's name where there is one; `NO_CONCEPT` lists the others.
"""

from __future__ import annotations

import re
from pathlib import Path

from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request, some
from vlp3d_core.train.importers.splits import with_validation
from vlp3d_core.train.importers.tables import flag, rows_of
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.reports_csv import section

NAME = re.compile(r"((train|valid)_\d+)_[a-z]+_\d+\.nii\.gz")
TEXTS = ("Findings_EN", "Impressions_EN")
FINDINGS = {
    "Medical material": "medical_material",
    "Arterial wall calcification": "arterial_wall_calcification",
    "Cardiomegaly": "cardiomegaly",
    "Pericardial effusion": "pericardial_effusion",
    "Coronary artery wall calcification": "coronary_calcification",
    "Hiatal hernia": "hiatal_hernia",
    "Lymphadenopathy": "lymphadenopathy",
    "Emphysema": "emphysema",
    "Atelectasis": "atelectasis",
    "Lung nodule": "lung_nodule",
    "Lung opacity": "lung_opacity",
    "Pulmonary fibrotic sequela": "pulmonary_fibrosis",
    "Pleural effusion": "pleural_effusion",
    "Mosaic attenuation pattern": "mosaic_attenuation_pattern",
    "Peribronchial thickening": "peribronchial_thickening",
    "Consolidation": "consolidation",
    "Bronchiectasis": "bronchiectasis",
    "Interlobular septal thickening": "interlobular_septal_thickening",
}
NO_CONCEPT = (
    "medical_material",
    "arterial_wall_calcification",
    "lymphadenopathy",
    "lung_opacity",
    "mosaic_attenuation_pattern",
    "peribronchial_thickening",
    "bronchiectasis",
    "interlobular_septal_thickening",
)


def read(request: Request) -> Collected:
    """Every reconstruction with the report of its scan and its abnormalities."""
    volumes = _volumes(request.folder)
    tables = sorted(request.folder.rglob("*.csv"))
    reports, labels = _reports(tables), _labels(tables)
    if not volumes:
        raise request.misfit("there is no volume train_N_a_1.nii.gz or valid_N_a_1.nii.gz in it")
    if not reports:
        raise request.misfit("there is no CSV of reports (train_reports.csv, validation_reports.csv) in it")
    left_out = _not_chest(request.folder)
    cases = []
    for name, path in volumes.items():
        found = NAME.fullmatch(name)
        if name in left_out or not found:
            continue
        split = "train" if found[2] == "train" else "test"
        report, findings = reports.get(name, ""), labels.get(name, {})
        cases.append(Case(path, found[1], split, modality="CT", report=report, findings=findings))
    return Collected(tuple(with_validation(cases, request.seed)), tuple(_notes(volumes, reports, labels, left_out)))


def _volumes(folder: Path) -> dict[str, Path]:
    """File name → path, of the corrected release where it is there. Other folders hold masks of the same names."""
    found: dict[str, Path] = {}
    for split in ("train", "valid"):
        roots = [base / name for name in (f"{split}_fixed", split) for base in (folder, folder / "dataset")]
        for root in roots:
            paths = {p.name: p for p in sorted(root.glob("*/*/*.nii.gz")) if NAME.fullmatch(p.name)}
            found = paths | found
    return found


def _reports(tables: list[Path]) -> dict[str, str]:
    """Volume → its report; "Not given." stands for an empty part."""
    found = {}
    for path in (p for p in tables if "report" in p.name.lower()):
        for row in rows_of(path, ("VolumeName", *TEXTS)):
            parts = [section(c, row[c]) for c in TEXTS if row[c] and row[c].lower() != "not given."]
            found[row["VolumeName"]] = "\n".join(parts)
    return found


def _labels(tables: list[Path]) -> dict[str, dict[str, bool]]:
    """Volume → finding → there or not."""
    found = {}
    for path in (p for p in tables if "labels" in p.name.lower()):
        for row in rows_of(path, ("VolumeName", *FINDINGS)):
            flags = {name: flag(row[column]) for column, name in FINDINGS.items()}
            found[row["VolumeName"]] = {name: there for name, there in flags.items() if there is not None}
    return found


def _not_chest(folder: Path) -> set[str]:
    lists = [path for path in sorted(folder.rglob("no_chest_*.txt")) if path.is_file()]
    lines = [line.strip() for path in lists for line in path.read_text(encoding="utf-8", errors="replace").split("\n")]
    return {line.replace("\\", "/").split("/")[-1] for line in lines if line}


def _notes(
    volumes: dict[str, Path], reports: dict[str, str], labels: dict[str, dict[str, bool]], left_out: set[str]
) -> list[str]:
    notes = []
    if absent := sorted(set(reports) - set(volumes)):
        notes.append(f"{len(absent)} reports have no volume here: {some(absent)}.")
    if silent := sorted(name for name in volumes if not reports.get(name) and name not in left_out):
        notes.append(f"{len(silent)} volumes have no report: {some(silent)}.")
    if not labels:
        notes.append("There is no CSV of abnormalities (train_predicted_labels.csv): the volumes have no findings.")
    if heads := sorted(set(volumes) & left_out):
        notes.append(f"{len(heads)} volumes do not show the chest and are left out: {some(heads)}.")
    if any(path.parts[-4] in ("train", "valid") for path in volumes.values()):
        notes.append(
            "Volumes below train/ or valid/ are of the first release, whose headers have no spacing and no rescaling "
            "to HU; download train_fixed/ and valid_fixed/, or run the data set's own fix_metadata.py."
        )
    return notes

"""CT-RATE: reconstructions, reports, abnormalities and the two official groups of patients."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.train.importers.made import build, image, labels, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.importers import ct_rate
from vlp3d_core.train.importers.ct_rate import FINDINGS, NO_CONCEPT

NAMES = ("train_1_a_1", "train_1_a_2", "train_1_b_1", "train_2_a_1", "train_3_a_1", "valid_1_a_1")
REPORTS = "VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN\n"
LABELS = "VolumeName," + ",".join(FINDINGS) + "\n"


def place(folder: Path, name: str, release: str = "_fixed") -> Path:
    split, patient, scan, _ = name.split("_")
    return folder / f"dataset/{split}{release}/{split}_{patient}/{split}_{patient}_{scan}/{name}.nii.gz"


def tables(folder: Path) -> tuple[Path, Path]:
    return (
        folder / "dataset/radiology_text_reports/train_reports.csv",
        folder / "dataset/multi_abnormality_labels/train_predicted_labels.csv",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ct-rate"
    for name in NAMES:
        image(place(made, name))
    reports, labels = tables(made)
    text(
        reports,
        REPORTS
        + 'train_1_a_1.nii.gz,,,"Heart, ""normal"".\nNo effusion.",Normal.\n'
        + 'train_1_a_2.nii.gz,,,"Heart, ""normal"".\nNo effusion.",Normal.\n'
        + "train_1_b_1.nii.gz,,,Not given.,Emphysema.\ntrain_2_a_1.nii.gz,,,Nodule.,\n"
        + "train_9_a_1.nii.gz,,,Far away.,\n",
    )
    text(reports.with_name("validation_reports.csv"), REPORTS + "valid_1_a_1.nii.gz,,,Hernia.,Hernia.\n")
    ones = ",".join("1" if name in ("Emphysema", "Lymphadenopathy") else "0" for name in FINDINGS)
    text(labels, LABELS + f"train_1_b_1.nii.gz,{ones}\ntrain_2_a_1.nii.gz,{','.join(['0.0'] * 17)},\n")
    return made


def test_volumes_of_patients(folder: Path) -> None:
    cases, notes = build("ct-rate", folder)
    assert {n.removesuffix(".nii.gz"): c.subject for n, c in cases.items()} == {
        name: name.rsplit("_", 2)[0] for name in NAMES
    }
    assert all(c.modality == "CT" and c.label is None for c in cases.values())
    assert cases["valid_1_a_1.nii.gz"].split == "test"
    splits = {c.subject: c.split for c in cases.values()}
    assert sorted(splits[f"train_{n}"] for n in (1, 2, 3)) == ["train", "train", "validation"]
    assert "1 reports have no volume here: train_9_a_1.nii.gz" in notes
    assert "1 volumes have no report: train_3_a_1.nii.gz" in notes


def test_reports(folder: Path) -> None:
    cases, _ = build("ct-rate", folder)
    assert cases["train_1_a_1.nii.gz"].report == 'FINDINGS:\nHeart, "normal".\nNo effusion.\nIMPRESSION:\nNormal.'
    assert cases["train_1_a_2.nii.gz"].report == cases["train_1_a_1.nii.gz"].report
    assert cases["train_1_b_1.nii.gz"].report == "IMPRESSION:\nEmphysema."
    assert cases["train_2_a_1.nii.gz"].report == "FINDINGS:\nNodule."


def test_findings(folder: Path) -> None:
    cases, _ = build("ct-rate", folder)
    findings = cases["train_1_b_1.nii.gz"].findings
    assert len(findings) == 18 and {n for n, there in findings.items() if there} == {"emphysema", "lymphadenopathy"}
    assert findings["lung_nodule"] is False
    unknown = cases["train_2_a_1.nii.gz"].findings
    assert len(unknown) == 17 and "interlobular_septal_thickening" not in unknown, "an empty cell is unknown"
    assert cases["train_1_a_1.nii.gz"].findings == {}
    known = set(concepts())
    assert {n for n in FINDINGS.values() if n not in known} == set(NO_CONCEPT)


def test_heads_are_left_out(folder: Path) -> None:
    text(folder / "dataset/metadata/no_chest_train.txt", "dataset/train/train_2/train_2_a/train_2_a_1.nii.gz\n\n")
    cases, notes = build("ct-rate", folder)
    assert len(cases) == 5 and "1 volumes do not show the chest and are left out: train_2_a_1.nii.gz" in notes


def test_the_first_release_is_warned_of(folder: Path) -> None:
    _, notes = build("ct-rate", folder)
    assert "first release" not in notes
    image(place(folder, "train_4_a_1", release=""))
    image(place(folder, "train_3_a_1", release=""))
    cases, notes = build("ct-rate", folder)
    assert "first release" in notes and len(cases) == 7
    assert cases["train_3_a_1.nii.gz"].image == place(folder, "train_3_a_1"), "the corrected one where there are both"


def test_masks_of_the_same_names_are_no_volumes(folder: Path) -> None:
    labels(folder / "dataset/ts_seg/train_fixed/train_1/train_1_a/train_1_a_1.nii.gz", 1)
    cases, _ = build("ct-rate", folder)
    assert cases["train_1_a_1.nii.gz"].image == place(folder, "train_1_a_1")


def test_without_labels(folder: Path) -> None:
    tables(folder)[1].unlink()
    cases, notes = build("ct-rate", folder)
    assert all(c.findings == {} for c in cases.values()) and "no CSV of abnormalities" in notes


@pytest.mark.parametrize(
    ("which", "header", "reason"),
    [
        (0, "VolumeName,Findings_EN\n", "no column Impressions_EN"),
        (0, "Name,Findings_EN,Impressions_EN\n", "no column VolumeName"),
        (0, "", "it has: none"),
        (1, LABELS.replace("Emphysema", "Emphysem"), "no column Emphysema"),
    ],
)
def test_missing_columns(folder: Path, which: int, header: str, reason: str) -> None:
    text(tables(folder)[which], header)
    with pytest.raises(MedVLPError, match=reason):
        ct_rate.read(request(folder))


def test_no_reports_and_no_volumes(folder: Path) -> None:
    for path in folder.rglob("*reports.csv"):
        path.unlink()
    with pytest.raises(MedVLPError, match="no CSV of reports"):
        ct_rate.read(request(folder))
    for path in folder.rglob("*.nii.gz"):
        path.unlink()
    with pytest.raises(MedVLPError, match="no volume train_N_a_1"):
        ct_rate.read(request(folder))

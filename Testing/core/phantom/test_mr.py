"""MR phantoms: the same patient in another look; tissues in the order that a reader knows; nothing unseen is said."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom import CONTRASTS, Phantom, Study, make_phantom, make_study
from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.findings import Sheet, draw_finding
from vlp3d_core.phantom.mr import MRLook
from vlp3d_core.phantom.patient import make_patient
from vlp3d_core.phantom.phantom import draw
from vlp3d_core.text.report import parse_report, write_report

COARSE = (8.0, 8.0, 8.0)
SEED = 7


@pytest.fixture(scope="module")
def scans() -> dict[str, Phantom]:
    return {c: make_phantom(SEED, "trunk", (6, 6, 6), modality="MR", contrast=c) for c in CONTRASTS}


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    return [make_study(seed, COARSE, modality="MR", contrast=CONTRASTS[seed % 4]) for seed in range(20, 28)]


def inside(scan: Phantom, concept: str) -> float:
    """Median of a structure as a part of the brightest tissue."""
    value = next(v for v, name in scan.values.items() if name == concept)
    return float(np.median(scan.volume.array[scan.labels == value]) / np.percentile(scan.volume.array, 99.5))


def test_labels_are_those_of_the_ct(scans: dict[str, Phantom], phantom: Phantom) -> None:
    for contrast, scan in scans.items():
        assert scan.volume.modality == "MR" and scan.contrast == contrast
        assert np.array_equal(scan.labels, phantom.labels) and np.array_equal(scan.volume.affine, phantom.volume.affine)
        assert scan.volume.array.min() >= 0 and np.array_equal(scan.volume.array, np.round(scan.volume.array))


def test_fluid_is_bright_in_t2_and_dark_in_t1(scans: dict[str, Phantom]) -> None:
    fluid = "gallbladder"
    for organ in ("liver", "spleen", "autochthon_left"):
        assert inside(scans["T2"], fluid) > 2 * inside(scans["T2"], organ), organ
        assert inside(scans["T1"], fluid) < 0.85 * inside(scans["T1"], organ), organ  # coils see the front better


def test_organs_in_their_order(scans: dict[str, Phantom]) -> None:
    assert inside(scans["T1"], "liver") > inside(scans["T1"], "spleen")
    assert inside(scans["T2"], "liver") < inside(scans["T2"], "spleen")
    assert inside(scans["T1C"], "kidney_left") > 1.5 * inside(scans["T1C"], "autochthon_left")
    assert inside(scans["T1C"], "aorta") > inside(scans["T1"], "aorta") * 2
    assert inside(scans["T2"], "aorta") < inside(scans["T2"], "spleen")  # a flow void


@pytest.mark.parametrize("seed", range(5))
def test_fat_follows_its_contrast(seed: int) -> None:
    """Fat is the brightest tissue in T1, bright in T2, and gone with fat saturation; cortical bone is always dark."""
    looks = {c: MRLook(make_patient(seed), (3, 3, 3), c) for c in CONTRASTS}
    fat, muscle = ({c: look.signal(tissue) for c, look in looks.items()} for tissue in ("fat", "muscle"))
    assert all(fat[c] > 1.25 * muscle[c] for c in ("T1", "T2", "PD"))
    assert fat["T1C"] < 0.6 * muscle["T1C"]
    assert all(look.signal("cortex") < 0.3 * muscle[c] for c, look in looks.items())
    assert looks["T2"].signal("liver_cyst") > 4 * looks["T2"].signal("liver")
    assert looks["T1"].signal("liver_cyst") < 0.6 * looks["T1"].signal("liver")
    assert looks["T2"].signal("gallstone") < 0.05 * looks["T2"].signal("bile")


def test_signals_are_of_one_equation() -> None:
    look = MRLook(make_patient(1), (3, 3, 3), "T2")
    row = table("mr")["tissues"]["csf"]
    expected = row["pd"] * (1 - np.exp(-look.tr / row["t1"])) * np.exp(-look.te / row["t2"])
    assert look.signal("csf") == pytest.approx(expected, rel=0.2)  # patients differ a little
    low, high = table("mr")["contrasts"]["T2"]["te"]
    assert low <= look.te <= high


def test_every_material_and_lesion_has_values() -> None:
    known = set(table("mr")["tissues"])
    rows = table("findings")["drawn"]
    assert set(table("materials")["materials"]) <= known
    for kind, row in rows.items():
        tissue = row.get("tissue", "")
        names = set(tissue.values()) if isinstance(tissue, dict) else {tissue} - {""}
        assert names <= set(table("materials")["lesions"]), kind
        assert row.get("mr") == [] or names & known, kind
        assert set(row.get("mr", ())) <= set(CONTRASTS), kind


def test_air_is_rician_noise(scans: dict[str, Phantom]) -> None:
    """The magnitude of complex noise has a mean of 1.91 standard deviations (Gudbjartsson and Patz 1995)."""
    for scan in scans.values():
        corner = scan.volume.array[:4, -4:, :]
        assert corner.mean() / corner.std() == pytest.approx(1.913, rel=0.15)


def test_scales_differ_and_the_same_seed_is_the_same_scan() -> None:
    first, again = (make_phantom(3, "head-neck", (9, 9, 9), modality="MR", contrast="T2") for _ in range(2))
    other = make_phantom(4, "head-neck", (9, 9, 9), modality="MR", contrast="T2")
    assert np.array_equal(first.volume.array, again.volume.array)
    assert abs(np.log(first.volume.array.max() / other.volume.array.max())) > 0.05
    drawn = {make_phantom(s, "trunk", size=(8, 8, 8), modality="MR").contrast for s in range(6)}
    assert len(drawn) >= 2


def test_reports_say_what_the_scan_shows(studies: list[Study]) -> None:
    drawn = 0
    for study in studies:
        contrast = study.phantom.contrast
        assert study.facts.modality == "MR" and study.facts.contrast == contrast
        assert parse_report(write_report(study.facts, 1)) == study.facts
        read = parse_report(study.report)
        assert read.findings == study.facts.findings and read.contrast == contrast
        hidden = {k for k, row in table("findings")["drawn"].items() if contrast not in row.get("mr", CONTRASTS)}
        assert not hidden & {*study.drawn, *study.facts.none}
        assert {f.density for f in study.facts.findings} <= {"", "solid"}
        drawn += len(study.drawn)
    assert drawn >= 8


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_what_is_drawn_differs_from_what_was_there(contrast: str) -> None:
    """Every lesion that counts as shown in a contrast changes its place; the other ones are not drawn."""
    phantom, canvas, look = draw(make_patient(2), "trunk", (6, 6, 6), modality="MR", contrast=contrast)
    assert isinstance(look, MRLook)
    before = phantom.volume.array.copy()
    sheet = Sheet(phantom, canvas, look, np.zeros(before.shape, np.uint8))
    for kind, place in (("liver_cyst", "liver"), ("kidney_cyst", "kidney_left"), ("ascites", "liver")):
        rng = np.random.default_rng(1)
        if not draw_finding(sheet, kind, place, rng):
            continue
        mark = sheet.marks == len(sheet.findings)
        change = (phantom.volume.array[mark] - before[mark]) / np.percentile(before, 99)
        bright = contrast == "T2" and kind != "ascites"  # ascites replaces fat, which is bright as well
        assert np.median(change) > 0.3 if bright else abs(np.median(change)) > 0.04, kind
    assert sheet.findings
    stone = np.zeros(before.shape, np.float32)
    stone[canvas.material == canvas.materials["outside"]] = 1
    assert not sheet.blend(stone, "gallstone", np.random.default_rng(0))  # black in black


def test_a_patient_has_the_same_findings_in_every_modality() -> None:
    ct = make_study(23, COARSE)
    mr = make_study(23, COARSE, modality="MR", contrast="T2")
    assert mr.facts.removed == ct.facts.removed
    there = {(f.kind, f.side, f.site) for f in ct.facts.findings}
    assert {(f.kind, f.side, f.site) for f in mr.facts.findings} <= there


@pytest.mark.parametrize(
    "wrong", [{"modality": "PT"}, {"modality": "MR", "contrast": "T9"}, {"modality": "CT", "contrast": "T1"}]
)
def test_unknown_looks(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        make_phantom(1, "trunk", COARSE, **wrong)

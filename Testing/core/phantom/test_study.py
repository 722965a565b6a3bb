"""Studies: what the facts say is in the image, where they say it, and the report says nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from vlp3d_core.phantom import Phantom, Study, make_phantom, make_study
from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.findings import Sheet, draw_finding, shows
from vlp3d_core.phantom.look import Look
from vlp3d_core.phantom.patient import make_patient
from vlp3d_core.phantom.phantom import draw
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.report import Finding, StudyFacts, parse_report, write_report
from vlp3d_core.text.report.kinds import kinds

SEEDS = range(14)
SPACING = (6.0, 6.0, 6.0)
HIGH = 32
"""A patient whose field of view is of the chest."""


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    return [make_study(seed, SPACING) for seed in SEEDS]


def test_the_same_seed_makes_the_same_study(studies: list[Study]) -> None:
    again = make_study(3, SPACING)
    assert np.array_equal(again.phantom.volume.array, studies[3].phantom.volume.array)
    assert again.facts == studies[3].facts and again.report == studies[3].report


def test_every_kind_can_be_drawn_or_is_a_change_of_size() -> None:
    rows = table("findings")
    assert {k for k, kind in kinds().items() if "CT" in kind.modalities} == set(rows["drawn"]) | set(rows["enlarged"])
    for name, row in rows["drawn"].items():
        assert set(kinds()[name].sites) >= set(row["where"]) if kinds()[name].sites else True
        assert ("size" in row) == kinds()[name].size, name


def test_marks_lie_in_the_organ_that_the_facts_name(studies: list[Study]) -> None:
    checked = 0
    for study in studies:
        values = {name: value for value, name in study.phantom.values.items()}
        for number, kind in enumerate(study.drawn, 1):
            (finding,) = [f for f in study.facts.findings if f.kind == kind]
            site = finding.site or (f"kidney_{finding.side}" if kind.startswith("kidney") else "")
            mark = study.marks == number
            if not site or not mark.any():
                continue
            inside = study.phantom.labels[mark] == values[site]
            assert inside.mean() > 0.9, (kind, site)
            checked += 1
    assert checked >= 8


def test_sides_are_the_patient_s_own(studies: list[Study]) -> None:
    for study in studies:
        centre = {f.concept: f.center_ras[0] for f in study.phantom.facts}
        middle = centre["aorta"]
        affine = study.phantom.volume.affine
        for number, kind in enumerate(study.drawn, 1):
            (finding,) = [f for f in study.facts.findings if f.kind == kind]
            if finding.side and (study.marks == number).any():
                r = affine[0, 0] * np.argwhere(study.marks == number)[:, 0].mean() + affine[0, 3]
                assert (r < middle) == (finding.side == "left"), kind


def test_size_is_that_of_what_is_drawn() -> None:
    """At fine spacing, the longest way across the marks of a single ball is its size within a voxel or two."""
    checked = 0
    for seed in range(200, 230):
        study = make_study(seed, (3.0, 3.0, 3.0)) if checked < 2 else None
        if study is None:
            break
        for number, kind in enumerate(study.drawn, 1):
            (finding,) = [f for f in study.facts.findings if f.kind == kind]
            points = np.argwhere(study.marks == number) * 3.0
            if finding.count != 1 or kind not in ("kidney_tumor", "lung_tumor", "liver_cyst") or len(points) < 60:
                continue
            reach = max(np.ptp(points @ d) for d in _directions())
            assert abs(reach + 3.0 - finding.size_mm) <= 7, kind  # it may be cut by the organ's surface
            checked += 1
    assert checked >= 2


def _directions() -> np.ndarray:
    grid = np.random.default_rng(0).normal(size=(300, 3))
    return grid / np.linalg.norm(grid, axis=1, keepdims=True)


def test_density_shows(studies: list[Study]) -> None:
    """Stones are dense, cysts are water, effusions are water."""
    seen = set()
    for study in studies:
        for number, kind in enumerate(study.drawn, 1):
            values = study.phantom.volume.array[study.marks == number]
            if len(values) < 3:
                continue
            if kind in ("kidney_cyst", "liver_cyst", "pleural_effusion", "pericardial_effusion"):
                assert abs(float(np.median(values))) < 45, kind
                seen.add("water")
            if kind in ("bone_metastasis", "kidney_stone"):
                assert np.median(values) > 350, kind
                seen.add("dense")
    assert seen == {"water", "dense"}


def test_the_report_says_what_is_true_and_no_more(studies: list[Study]) -> None:
    for study in studies:
        read = parse_report(study.report)
        assert read.findings == study.facts.findings and read.removed == study.facts.removed
        assert set(read.none) <= set(study.facts.none) and set(read.normal) <= set(study.facts.normal)
        assert parse_report(write_report(study.facts, 1)) == study.facts


def test_nothing_is_said_of_what_is_out_of_the_field_of_view(studies: list[Study]) -> None:
    for study in studies:
        present = {f.concept for f in study.phantom.facts}
        assert set(study.facts.normal) <= present
        assert not set(study.facts.removed) & present
        assert not {f.kind for f in study.facts.findings} & set(study.facts.none)


def test_studies_differ(studies: list[Study]) -> None:
    found = [study.facts.findings for study in studies]
    assert len({f.kind for row in found for f in row}) >= 10
    assert max(map(len, found)) >= 3 and min(map(len, found)) <= 1


def test_a_plain_phantom_is_untouched() -> None:
    """The changes for studies leave phantoms as they were: no finding, no missing organ."""
    assert {"gallbladder", "spleen", "kidney_left", "kidney_right"} <= set(
        make_phantom(2, spacing=SPACING).values.values()
    )
    missing = make_study(2, SPACING)
    assert missing.facts.removed == ("gallbladder",)
    assert "gallbladder" not in missing.phantom.values.values()


def test_concepts_of_findings_have_a_side_where_they_can() -> None:
    assert Finding("kidney_cyst", "left", size_mm=10).concept == "kidney_cyst_left"
    assert Finding("ascites", degree="small").concept == "ascites" in concepts()


@pytest.fixture(scope="module")
def upper_chest() -> tuple[Phantom, Canvas, Look]:
    """A CT with whole ribs and clavicles, fine enough to see a break."""
    return draw(make_patient(HIGH), "trunk", (2.6, 2.6, 2.6), (140, 96, 170))


@pytest.mark.parametrize(
    ("kind", "place"),
    [("rib_fracture", "rib_left_6"), ("rib_fracture", "rib_right_8"), ("clavicle_fracture", "clavicula_left")],
)
def test_a_break_parts_the_bone_that_the_facts_name(
    kind: str, place: str, upper_chest: tuple[Phantom, Canvas, Look]
) -> None:
    """The bone is in two pieces after it, and the gap is of soft tissue."""
    phantom, canvas, look = upper_chest
    assert shows(kind, look)
    bone = phantom.labels == next(v for v, name in phantom.values.items() if name == place)
    array = phantom.volume.array.copy()
    sheet = Sheet(
        replace(phantom, volume=phantom.volume.with_array(array)), canvas, look, np.zeros(bone.shape, np.uint8)
    )
    dense = array[bone].mean()
    assert draw_finding(sheet, kind, place, np.random.default_rng(3))
    (finding,) = sheet.findings
    assert finding.side == concepts()[place].side and finding.site == (place if kind == "rib_fracture" else "")
    gap = sheet.marks == 1
    assert np.all(bone[gap]) and np.median(array[gap]) < 150 < dense
    pieces = np.bincount(ndimage.label(bone & ~gap)[0].ravel())[1:]
    assert np.sort(pieces)[-2:].min() > 8
    text = write_report(StudyFacts.of("CT", findings=[finding]), 2)
    assert parse_report(text).findings == (finding,)


def test_no_break_where_the_voxels_would_hide_it(studies: list[Study]) -> None:
    for study in studies:
        said = {f.kind for f in study.facts.findings} | set(study.facts.none)
        assert not said & {"rib_fracture", "clavicle_fracture"}

"""A study: a phantom with findings, the facts about it, and a report that says them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vlp3d_core.phantom.atlas import Changes, table
from vlp3d_core.phantom.facts import measure
from vlp3d_core.phantom.findings import Sheet, draw_finding, shows
from vlp3d_core.phantom.look import Look
from vlp3d_core.phantom.patient import Patient, make_patient
from vlp3d_core.phantom.phantom import Phantom, draw, seed_number
from vlp3d_core.text.report import Finding, StudyFacts, write_report
from vlp3d_core.text.report.kinds import kinds, words

REGION = "trunk"
OMIT = 0.3
"""Part of the normal and the absent that a report leaves unsaid."""


@dataclass(frozen=True)
class Study:
    """One made-up examination.

    Attributes:
        phantom: volume and labels of the anatomy; findings are in the volume's values.
        marks: uint8, the volume's grid: 1 + index in `drawn` of the finding that a voxel shows, 0 elsewhere.
        drawn: kinds of the findings that `marks` shows.
        facts: what is true, and visible in this field of view.
        report: the facts in words, as far as a reader mentions them.
    """

    phantom: Phantom
    marks: NDArray[np.uint8]
    drawn: tuple[str, ...]
    facts: StudyFacts
    report: str


def make_study(
    seed: int, spacing: Sequence[float] | None = None, omit: float = OMIT, modality: str = "CT", contrast: str = ""
) -> Study:
    """A trunk CT or MR with findings and a report, the same for the same arguments.

    A patient has the same findings in every scan; what a scan does not show is neither drawn nor reported for it.

    Args:
        seed: any whole number from 0.
        spacing: voxel size in mm; None: drawn from the seed (about 3.5 mm). On a coarse grid small findings that
            would not show are neither drawn nor reported.
        omit: part of the normal and the absent that the report leaves unsaid.
        modality, contrast: as for `make_phantom`.

    Raises:
        UsageError: a seed or spacing that makes no volume, or an unknown modality or contrast.
    """
    patient = make_patient(seed_number(seed))
    rng = patient.stream("findings")
    changes = _changes(patient, rng)
    phantom, canvas, look = draw(patient, REGION, spacing, changes=changes, modality=modality, contrast=contrast)
    sheet = Sheet(phantom, canvas, look, np.zeros(phantom.labels.shape, np.uint8))
    partly = table("findings")["partly_ml"]
    shown = {f.concept for f in phantom.facts if not f.cut or f.volume_ml >= partly.get(f.concept, np.inf)}
    for kind, row in table("findings")["drawn"].items():
        places = [place for place in row["where"] if _members(place) <= shown]
        # Drawn for every kind, so that one kind more in the table leaves the others of a patient as they are.
        own = patient.stream("finding " + kind)
        if places and set(row.get("needs", ())) <= shown and own.random() < row["chance"] and shows(kind, look):
            draw_finding(sheet, kind, str(own.choice(places)), own)
    facts = _facts(sheet, changes, shown, patient)
    phantom = replace(phantom, facts=measure(phantom.volume, phantom.labels, phantom.values))
    return Study(
        phantom, sheet.marks, tuple(f.kind for f in sheet.findings), facts, write_report(facts, seed, omit=omit)
    )


def _changes(patient: Patient, rng: Generator) -> Changes:
    rows = table("findings")
    draws = {name: rng.random() for name in (*rows["removed"], *rows["enlarged"])}
    without = frozenset(
        o for o, chance in rows["removed"].items() if draws[o] < chance and (o != "uterus" or patient.female)
    )
    kidneys = {"kidney_left", "kidney_right"}
    if kidneys <= without:
        without -= {"kidney_right"}
    scale = {e["part"]: e["factor"] for k, e in rows["enlarged"].items() if draws[k] < e["chance"]}
    return Changes({part: factor for part, factor in scale.items() if part not in without}, without)


def _facts(sheet: Sheet, changes: Changes, shown: set[str], patient: Patient) -> StudyFacts:
    rows = table("findings")
    enlarged = {k: e["part"] for k, e in rows["enlarged"].items() if e["part"] in changes.scale}
    findings = [*sheet.findings, *(Finding(kind) for kind, part in enlarged.items() if part in shown)]
    regions = {r for r, needed in rows["regions"].items() if set(needed) - changes.without <= shown}
    there = {"uterus": "pelvis"}
    removed = {o for o in changes.without if there.get(o, "abdomen") in regions}
    touched = {place for f in sheet.findings for place in rows["drawn"][f.kind]["where"]} | set(enlarged.values())
    looked_for = {
        kind for kind in kinds() if _visible(kind, shown, sheet.look) and kind not in {f.kind for f in findings}
    }
    normal = {o for o in words()["organs"] if o in shown and o not in touched}
    return StudyFacts.of(
        sheet.look.modality, sheet.look.contrast, regions=regions, findings=findings, none=looked_for, removed=removed,
        normal=normal,
    )  # fmt: skip


def _members(place: str) -> set[str]:
    return set(table("findings")["whole"].get(place, [place]))


def _visible(kind: str, shown: set[str], look: Look) -> bool:
    """Whether this scan and field of view would show a finding of this kind, so that a report may say there is none."""
    rows = table("findings")
    if kind in rows["enlarged"]:
        return rows["enlarged"][kind]["part"] in shown
    row = rows["drawn"].get(kind)
    if row is None or not shows(kind, look):
        return False
    return set(row.get("needs", ())) <= shown and all(_members(place) <= shown for place in row["where"])

"""Captions from facts: measured, true, marked as made by a program; what a person wrote stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import make_phantom, measure
from vlp3d_core.text.report import parse_report
from vlp3d_core.train.captioning import caption
from vlp3d_core.train.captioning.facts import FactsMaker, facts_of
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.volume import Segmentation, Volume


def test_the_text_says_what_is_measured(cases: list[Case]) -> None:
    for case in caption(cases, FactsMaker()).cases:
        facts = facts_of(case)
        read = parse_report(case.report)
        assert read.measured == facts.measured and read.regions == facts.regions and read.modality == "CT"
        assert len(facts.measured) >= 5 and "liver" in {m.structure for m in facts.measured}
        assert case.caption["maker"] == "facts" and case.caption["crop"] == "whole volume"
        assert set(case.caption) == {"maker", "version", "crop", "sha256"}
        assert case.image.name not in case.report and case.subject not in case.report


def test_volumes_and_intensities_are_those_of_the_labels() -> None:
    phantom = make_phantom(5, spacing=(8.0, 8.0, 8.0))
    row = next(f for f in measure(phantom.volume, phantom.labels, phantom.values) if f.concept == "liver")
    value = next(v for v, name in phantom.values.items() if name == "liver")
    mask = phantom.labels == value
    assert row.volume_ml == pytest.approx(mask.sum() * 0.512)
    assert row.mean == pytest.approx(float(phantom.volume.array[mask].mean()), rel=1e-5)


def test_reports_of_people_stay_and_captions_can_be_made_anew(cases: list[Case]) -> None:
    written = replace(cases[0], report="Normal.")
    old = replace(cases[1], report="Old.", caption={"maker": "facts", "version": "0", "crop": ""})
    kept = caption([written, old], FactsMaker()).cases
    assert [c.report for c in kept] == ["Normal.", "Old."]
    anew = caption([written, old], FactsMaker(), again=True).cases
    assert anew[0].report == "Normal." and parse_report(anew[1].report).measured


def test_volumes_without_labels(cases: list[Case]) -> None:
    bare = [replace(case, label=None, labels={}) for case in cases]
    made = caption(bare, FactsMaker())
    assert not any(c.report for c in made.cases)
    assert made.notes == (
        "3 volumes were left without a new text: no label map, and no model to make one "
        "(--model NAME segments such volumes, --maker vlm describes their slices).",
    )

    def nothing(volume: Volume) -> Segmentation:
        return Segmentation(np.zeros(volume.shape, np.uint8), volume.affine, ())

    assert "no structure was found" in caption(bare, FactsMaker(nothing)).notes[0]


def test_a_label_map_of_another_shape_is_noted(cases: list[Case]) -> None:
    other = next(c for c in cases[1:] if c.label)
    wrong = replace(cases[0], label=other.label)
    with pytest.raises(MedVLPError, match="does not lie on the grid"):
        facts_of(wrong)
    made = caption([wrong, cases[1]], FactsMaker())
    assert [bool(c.report) for c in made.cases] == [False, True]
    assert len(made.notes) == 1 and cases[0].subject in made.notes[0] and "lie on the grid" in made.notes[0]


def test_a_caption_survives_the_manifest(cases: list[Case], tmp_path: Path) -> None:
    made = caption(cases, FactsMaker()).cases
    write_manifest(made, tmp_path / "m.jsonl")
    assert read_manifest(tmp_path / "m.jsonl") == list(made)


@pytest.mark.parametrize("modality", ["MR", "EM"])
def test_other_modalities_have_no_hounsfield_units(modality: str, tmp_path: Path) -> None:
    spacing = (15.0,) * 3 if modality == "MR" else (8e-6,) * 3
    case = replace(read_manifest(make_studies(1, 6, tmp_path, spacing, modality=modality))[0], report="")
    facts = facts_of(case)
    (made,) = caption([case], FactsMaker()).cases
    read = parse_report(made.report)
    assert read == facts and facts.modality == modality and len(facts.measured) >= 4
    assert "HU" not in made.report
    if modality == "EM":
        assert "um3" in made.report and " ml" not in made.report and facts.regions[0] == "neuropil"

"""Reports: what is written is read back exactly, whatever the words; sentences split where a reader would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.report import Finding, Measured, StudyFacts, parse_report, split_sentences, write_report
from vlp3d_core.text.report.kinds import kinds, said, words


def kinds_of(modality: str) -> list[str]:
    return sorted(name for name, kind in kinds().items() if modality in kind.modalities)


@st.composite
def findings(draw: Any, modality: str) -> Finding:
    name = draw(st.sampled_from(kinds_of(modality)))
    kind = kinds()[name]
    site = draw(st.sampled_from(kind.sites)) if kind.sites else ""
    side = draw(st.sampled_from(("left", "right"))) if kind.sides else concepts()[site].side if site else ""
    return Finding(
        name,
        side,
        site,
        count=draw(st.integers(1, 9 if modality != "EM" else 700)) if kind.count else 1,
        size_mm=draw(st.integers(1, 250)) if kind.size and kind.unit == "mm" else 0,
        size_nm=draw(st.integers(1, 3000)) if kind.size and kind.unit == "nm" else 0,
        density=draw(st.sampled_from(kind.density)) if kind.density else "",
        degree=draw(st.sampled_from(kind.degree)) if kind.degree else "",
    )


@st.composite
def measures(draw: Any) -> list[Measured]:
    names = sorted({c.name: c.id for c in concepts().values() if c.kind == "structure"}.values())
    chosen = draw(st.sets(st.sampled_from(names), max_size=3))
    volume, mean = st.one_of(st.floats(1e-8, 3e7), st.floats(1e-18, 1e-8)), st.integers(-1024, 4000)
    return [Measured(name, draw(volume), draw(mean)) for name in chosen]


@st.composite
def studies(draw: Any) -> StudyFacts:
    modality = draw(st.sampled_from(("CT", "MR", "EM")))
    present = draw(st.lists(findings(modality), max_size=5))
    looked_for = sorted(set(kinds_of(modality)) - {f.kind for f in present})
    removed = draw(st.sets(st.sampled_from(sorted(words()["removed"])), max_size=2))
    organs = sorted(set(words()["organs"]) - removed)
    return StudyFacts.of(
        modality,
        draw(st.sampled_from(("", *words()["contrasts"]))) if modality == "MR" else "",
        regions=draw(st.sets(st.sampled_from(words()["regions"]))),
        findings=present,
        none=draw(st.sets(st.sampled_from(looked_for), max_size=8)),
        removed=removed,
        normal=draw(st.sets(st.sampled_from(organs), max_size=8)),
        measured=draw(measures()),
    )


@settings(deadline=None, max_examples=300)
@given(facts=studies(), seed=st.integers(0, 10**6), impression=st.booleans())
def test_what_is_written_is_read_back(facts: StudyFacts, seed: int, impression: bool) -> None:
    assert parse_report(write_report(facts, seed, impression=impression)) == facts


@settings(deadline=None, max_examples=100)
@given(facts=studies(), seed=st.integers(0, 10**6))
def test_omission_leaves_out_and_never_adds(facts: StudyFacts, seed: int) -> None:
    read = parse_report(write_report(facts, seed, omit=0.5))
    assert read.findings == facts.findings and read.removed == facts.removed
    assert set(read.none) <= set(facts.none) and set(read.normal) <= set(facts.normal)


@settings(deadline=None)
@given(facts=studies())
def test_facts_survive_json(facts: StudyFacts) -> None:
    assert StudyFacts.from_json(facts.to_json()) == facts


def test_wording_varies_with_the_seed_and_only_with_it() -> None:
    nodule = Finding("lung_nodule", "left", "lung_upper_lobe_left", size_mm=14, density="solid")
    facts = StudyFacts.of("CT", regions=["chest"], findings=[nodule], none=["pleural_effusion"], normal=["heart"])
    texts = {write_report(facts, seed) for seed in range(40)}
    assert len(texts) > 30
    assert write_report(facts, 7) == write_report(facts, 7)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("FINDINGS:\nThere is a 1.4 cm solid nodule in the left upper lobe.", ("lung_nodule", "left", 14)),
        ("Solid left upper lobe nodule measuring 14 mm, unchanged from the prior study.", ("lung_nodule", "left", 14)),
        ("Two stones in the right kidney, the largest measuring 6 mm.", ("kidney_stone", "right", 6)),
        ("Massive pleural effusion on the right.", ("pleural_effusion", "right", 0)),
    ],
)
def test_free_wording(sentence: str, expected: tuple[str, str, int]) -> None:
    (finding,) = parse_report(sentence).findings
    assert (finding.kind, finding.side, finding.size_mm) == expected


@pytest.mark.parametrize(
    "sentence", ["A nodule.", "The patient felt well.", "", "Nodule in the left upper lobe.", "Nódulo izquierdo."]
)
def test_what_is_not_understood_says_nothing(sentence: str) -> None:
    assert parse_report(sentence).findings == ()


def test_a_negation_is_no_finding() -> None:
    facts = parse_report("No pleural effusion, renal stone or suspicious pulmonary nodule.")
    assert facts.findings == () and facts.none == ("kidney_stone", "lung_nodule", "pleural_effusion")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kind": "unicorn"}, "no kind of finding"),
        ({"kind": "kidney_cyst", "size_mm": 10}, "has no site '' with the side ''"),
        ({"kind": "kidney_cyst", "side": "left"}, "has no size 0 mm"),
        ({"kind": "lung_nodule", "side": "right", "site": "lung_upper_lobe_left"}, "is not on the right"),
        ({"kind": "liver_cyst", "size_mm": 5, "count": 0}, "or count 0"),
        ({"kind": "ascites", "degree": "some"}, "is not  some"),
    ],
)
def test_findings_that_could_not_be_worded_are_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Finding(**wrong)


def test_every_kind_is_a_concept() -> None:
    for name, kind in kinds().items():
        side = "left" if kind.sides else ""
        assert kind.concept in concepts() or name in concepts() or f"{name}_{side}" in concepts(), name
        assert all(site in concepts() for site in kind.sites)
        assert kind.none and bool(kind.forms) != bool(kind.statements)


def test_what_only_one_modality_shows_is_said_only_there() -> None:
    cyst = Finding("liver_cyst", size_mm=20)
    metastasis = Finding("bone_metastasis", "", "vertebrae_L2", size_mm=20)
    texts = {
        scan: " ".join(
            write_report(StudyFacts.of(*scan, findings=[cyst, metastasis], none=["liver_metastasis"]), seed)
            for seed in range(60)
        )
        for scan in (("CT",), ("MR", "T1"), ("MR", "T2"), ("MR", "PD"))
    }
    assert "sclerotic" in texts[("CT",)].lower() and "T2-" not in texts[("CT",)]
    assert not any(
        word in texts[scan].lower() for scan in texts for word in ("sclerotic", "hypodense") if scan[0] == "MR"
    )
    assert "T2-hyperintense cyst" in texts[("MR", "T2")] and "T1-hypointense" not in texts[("MR", "T2")]
    assert "T1-hypointense cyst" in texts[("MR", "T1")] and "intense" not in texts[("MR", "PD")]
    assert "T2-weighted" in texts[("MR", "T2")]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("There are 23 mitochondria, the largest measuring 0.64 um.", ("mitochondrion", 23, 640)),
        ("Two mitochondria (largest 480 nm).", ("mitochondrion", 2, 480)),
        ("A mitochondrion of 1.2 µm is seen.", ("mitochondrion", 1, 1200)),
        ("146 densely packed neurites.", ("neurite", 146, 0)),
        ("12 mm stone in the gallbladder.", ("gallstone", 1, 0)),
    ],
)
def test_counts_and_small_sizes(sentence: str, expected: tuple[str, int, int]) -> None:
    (finding,) = parse_report(sentence).findings
    assert (finding.kind, finding.count, finding.size_nm) == expected


def test_small_volumes_are_said_in_small_units() -> None:
    facts = StudyFacts.of("EM", measured=[Measured("mitochondrion", 4.21e-11, 97), Measured("membrane", 7.5e-14, 70)])
    text = write_report(facts, 3)
    assert "0.0421 um3" in text and "75000 nm3" in text and "HU" not in text
    assert parse_report(text) == facts
    read = parse_report("EM of the neuropil.\nFINDINGS:\nThe mitochondrion measures 0.0421 µm³ with a mean of 97.")
    assert read.measured == (Measured("mitochondrion", 4.21e-11, 97),)


def test_every_kind_has_words_in_every_scan_of_its_modality() -> None:
    for name, kind in kinds().items():
        scans = {"CT": [""], "MR": list(words()["contrasts"]), "EM": [""]}
        for scan in ((modality, contrast) for modality in kind.modalities for contrast in scans[modality]):
            assert kind.statements or said(kind.forms, *scan), name
            assert said(kind.none, *scan), name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mass is 1.4 cm. It is solid.", ["The mass is 1.4 cm.", "It is solid."]),
        ("Seen by Dr. Smith, e.g. on slice no. 3. Normal.", ["Seen by Dr. Smith, e.g. on slice no. 3.", "Normal."]),
        ("1. Nodule, 4 mm.\n2) Cyst.\n- Effusion", ["Nodule, 4 mm.", "Cyst.", "Effusion"]),
        ("The liver is\nnormal. Spleen too.", ["The liver is normal.", "Spleen too."]),
        ("FINDINGS:\nNone.\n\nIMPRESSION:\nNormal.", ["FINDINGS:", "None.", "IMPRESSION:", "Normal."]),
        ("Any mass? No. Any cyst? No.", ["Any mass?", "No.", "Any cyst?", "No."]),
        ("", []),
        (" \n \r\n", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_report(text)
    assert all(s == s.strip() and s for s in split_sentences(text))

"""Reports: what is written is read back exactly, whatever the words; sentences split where a reader would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.report import Finding, Measured, StudyFacts, parse_report, split_sentences, write_report
from vlp3d_core.text.report.kinds import kinds, said, words


@st.composite
def findings(draw: Any) -> Finding:
    name = draw(st.sampled_from(sorted(kinds())))
    kind = kinds()[name]
    site = draw(st.sampled_from(kind.sites)) if kind.sites else ""
    side = draw(st.sampled_from(("left", "right"))) if kind.sides else concepts()[site].side if site else ""
    return Finding(
        name,
        side,
        site,
        count=draw(st.integers(1, 9)) if kind.count else 1,
        size_mm=draw(st.integers(1, 250)) if kind.size else 0,
        density=draw(st.sampled_from(kind.density)) if kind.density else "",
        degree=draw(st.sampled_from(kind.degree)) if kind.degree else "",
    )


@st.composite
def measures(draw: Any) -> list[Measured]:
    names = sorted({c.name: c.id for c in concepts().values() if c.kind == "structure"}.values())
    chosen = draw(st.sets(st.sampled_from(names), max_size=3))
    volume, mean = st.floats(1e-8, 3e7), st.integers(-1024, 4000)
    return [Measured(name, draw(volume), draw(mean)) for name in chosen]


@st.composite
def studies(draw: Any) -> StudyFacts:
    present = draw(st.lists(findings(), max_size=5))
    looked_for = sorted(set(kinds()) - {f.kind for f in present})
    removed = draw(st.sets(st.sampled_from(sorted(words()["removed"])), max_size=2))
    organs = sorted(set(words()["organs"]) - removed)
    modality = draw(st.sampled_from(("CT", "MR", "EM")))
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
        assert name in concepts() or f"{name}_{side}" in concepts(), name
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


def test_every_kind_has_words_in_every_scan_of_its_modality() -> None:
    for name, kind in kinds().items():
        for scan in (("CT", ""), *(("MR", contrast) for contrast in words()["contrasts"])):
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

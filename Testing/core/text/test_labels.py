"""Names of label sets, abbreviations and rare names: the right structure, or none; never another one."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.text.concepts import Concept, ambiguous, concepts, foreign, groups, other_things
from vlp3d_core.text.phrases import names
from vlp3d_core.text.prompt import parse_prompt

TEXT = files("vlp3d_core.text")
STRUCTURES = [c for c in concepts().values() if c.kind == "structure"]
NAMED = """
Parotid_L parotid_gland_left; GL_PAROTIS_L parotid_gland_left; LParotid parotid_gland_left; gl_submand_r
submandibular_gland_right; Glnd_Thyroid thyroid_gland; SpinalCord spinal_cord; Lung_R lung_right; Lunge_re lung_right;
Lung_LLL lung_lower_lobe_left; RKidney kidney_right; LK kidney_left; Bowel_Small small_bowel; Bowel_Large colon;
A_Aorta aorta; A_Renal_L renal_artery_left; A_Femoral_R femoral_artery_right; A_Mesenteric_S
superior_mesenteric_artery; A_Pulmonary pulmonary_artery; V_Pulmonary pulmonary_vein; V_Venacava_I
inferior_vena_cava; V_Portal portal_vein; Musc_Masseter_L masseter_left; Musc_Constrict_I
inferior_pharyngeal_constrictor; Bone_Mandible mandible; Cartlg_Thyroid thyroid_cartilage; CN_II_L optic_nerve_left;
VB_L1 vertebrae_L1; Rib01_L rib_left_1; Rib_L_3 rib_left_3; SeminalVes_L seminal_vesicle_left; gluteus_max_l
gluteus_maximus_left; Left-Thalamus-Proper thalamus_left; ctx-rh cerebral_cortex_right; ctx-lh-insula
insular_cortex_left; Left-VentralDC ventral_dc_left; Left-Inf-Lat-Vent inferior_lateral_ventricle_left;
Hippocampus_A hippocampus_anterior; NAcc.L accumbens_left; kidney.left kidney_left; Left.Thalamus.Proper
thalamus_left; spinal.cord spinal_cord; oesoph esophagus; postcava inferior_vena_cava; tailbone coccyx; hipbone_r
hip_right; Schienbeinknochen_li tibia_left
"""
NOT_THESE = """
Femur_Head_L Kidney_Cortex_R SpinalCord_PRV05 SpinalCord_05 Brainstem_PRV Lungs-PTV CTV_Parotid_L z_Heart Orbit_L
Esophagus_S Bag_Bowel Spc_Bowel BoneMarrow PenileBulb LN_Ax_L renal_a_l Glnd_Lung_R Bone_Liver Musc_Brain V_Lung_R
5th-Ventricle rear earl lounge
"""


def found(text: str) -> list[str]:
    return [concept.id for concept in parse_prompt(text).concepts]


def test_the_file_is_valid() -> None:
    schema = json.loads(TEXT.joinpath("aliases.schema.json").read_text(encoding="utf-8"))
    document = json.loads(TEXT.joinpath("aliases.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    ids = {*concepts(), *groups()} | {c.id.removesuffix(f"_{c.side}") for c in concepts().values() if c.side}
    assert {*document["aliases"]} <= ids
    assert {name for pair in document["same"] for some in pair for name in some} <= set(concepts())
    assert {name for row in document["ambiguous"].values() for name in row} <= ids


def test_names_in_other_languages_are_valid() -> None:
    schema = json.loads(TEXT.joinpath("languages.schema.json").read_text(encoding="utf-8"))
    document = json.loads(TEXT.joinpath("languages.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    ids = {*concepts(), *groups()} | {c.id.removesuffix(f"_{c.side}") for c in concepts().values() if c.side}
    assert {name for table in foreign().values() for name in table} <= ids


def test_other_things_are_none_of_the_concepts() -> None:
    for phrase in other_things():
        assert found(phrase) == [], phrase


@pytest.mark.parametrize("named", NAMED.split(";"), ids=str.strip)
def test_reads_labels(named: str) -> None:
    text, meant = named.split()
    assert found(text) == [meant]


@pytest.mark.parametrize("text", NOT_THESE.split())
def test_a_part_a_margin_or_a_space_is_not_the_organ(text: str) -> None:
    assert found(text) == []


def test_every_alias_means_its_structure_alone() -> None:
    for concept in concepts().values():
        for alias in concept.aliases:
            assert found(f"{concept.side} {alias}".strip()) == [concept.id], alias
    for group in groups().values():
        for alias in group.aliases:
            assert set(found(alias)) == set(group.members), alias


def test_aliases_change_no_phrase_of_the_text_tower() -> None:
    for concept in concepts().values():
        assert not {alias.lower() for alias in concept.aliases} & {*names(concept)}, concept.id


@pytest.mark.parametrize("word", ambiguous())
def test_ambiguous_words_are_asked_back(word: str) -> None:
    prompt = parse_prompt(word)
    assert prompt.concepts == () and prompt.unknown
    assert {concepts()[name].name for name in ambiguous()[word][:5]} <= {*prompt.suggestions}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([c for c in STRUCTURES if c.id.endswith(("_left", "_right"))]), st.sampled_from(" _-"))
def test_an_id_with_a_letter_for_its_side(concept: Concept, joint: str) -> None:
    base = concept.id.removesuffix(f"_{concept.side}")
    text = joint.join([*base.title().split("_"), concept.side[0].upper()])
    assert found(text) == [concept.id]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STRUCTURES), st.sampled_from([("A", "arteries"), ("V", "veins")]))
def test_a_vessel_of_an_organ_is_not_the_organ(concept: Concept, category: tuple[str, str]) -> None:
    letter, group = category
    prompt = parse_prompt(f"{letter}_{concept.id.title()}")
    assert prompt.unknown or {c.id for c in prompt.concepts} <= {*groups()[group].members, "coronary_arteries"}


def test_an_abbreviation_is_what_the_model_knows() -> None:
    """In capitals, and where the model knows one of its meanings alone; without a model it stays unknown."""
    brain = ("pallidum_left", "pallidum_right", "hippocampus_left", "hippocampus_right")
    parts = ("hippocampus_anterior", "hippocampus_posterior")
    vessels = ("portal_vein", "pulmonary_vein")
    for text, known, ids in [
        ("GP", brain, brain[:2]),
        ("GP_R", brain, ("pallidum_right",)),
        ("left HC", brain, ("hippocampus_left",)),
        ("HC", parts, parts),
        ("PV", vessels, ()),
        ("PV", vessels[:1], vessels[:1]),
        ("gp", brain, ()),
        ("my GPS", brain, ()),
        ("GP", vessels, ()),
        ("GP", None, ()),
    ]:
        assert tuple(c.id for c in parse_prompt(text, known).concepts) == ids, (text, known)


def test_an_abbreviation_before_a_point_is_read() -> None:
    assert found("gl.parotis sin.") == ["parotid_gland_left"] and found("a.renalis sinistra") == ["renal_artery_left"]
    assert found("Liver.nii.gz") == ["liver"]

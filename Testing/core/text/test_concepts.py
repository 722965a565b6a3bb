"""The concepts are valid, cover the data's labels and TotalSegmentator, and every word for one means just that one."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from vlp3d_core.text import Concept, concepts, groups, parse_prompt

TEXT = files("vlp3d_core.text")

PAIRED = (
    "kidney adrenal_gland iliac_artery iliac_vena humerus scapula clavicula femur hip gluteus_maximus gluteus_medius "
    "gluteus_minimus autochthon iliopsoas subclavian_artery common_carotid_artery brachiocephalic_vein kidney_cyst lung"
)
UNPAIRED = (
    "spleen gallbladder liver stomach pancreas esophagus trachea thyroid_gland small_bowel duodenum colon "
    "urinary_bladder prostate sacrum heart aorta pulmonary_vein brachiocephalic_trunk superior_vena_cava "
    "inferior_vena_cava portal_vein_and_splenic_vein spinal_cord brain skull sternum costal_cartilages "
    "atrial_appendage_left lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right "
    "lung_lower_lobe_right vertebrae vertebrae_S1 intervertebral_discs"
)
LEVELS = {"C": 7, "T": 12, "L": 5}


def total_segmentator_ids() -> set[str]:
    """Class names of TotalSegmentator's "total" (CT, 117) and "total_mr" (50) tasks."""
    ids = {f"{base}_{side}" for base in PAIRED.split() for side in ("left", "right")} | set(UNPAIRED.split())
    ids |= {f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)}
    return ids | {f"vertebrae_{letter}{n}" for letter, count in LEVELS.items() for n in range(1, count + 1)}


def sided(concept: Concept, phrase: str) -> str:
    return f"{concept.side} {phrase}" if concept.side else phrase


def test_file_is_valid() -> None:
    schema = json.loads(TEXT.joinpath("concepts.schema.json").read_text(encoding="utf-8"))
    document = json.loads(TEXT.joinpath("concepts.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)] == []
    assert len(concepts()) == len(document["concepts"]), "an id occurs twice"
    assert len(groups()) == len(document["groups"]), "a group id occurs twice"


def test_schema_refuses_a_broken_concept() -> None:
    schema = json.loads(TEXT.joinpath("concepts.schema.json").read_text(encoding="utf-8"))
    document = json.loads(TEXT.joinpath("concepts.json").read_text(encoding="utf-8"))
    document["concepts"][0]["color"] = [0, 0, 256]
    assert not jsonschema.Draft202012Validator(schema).is_valid(document)


def test_covers_total_segmentator() -> None:
    assert total_segmentator_ids() - set(concepts()) == set()


def test_covers_the_data(shared_data: Path) -> None:
    labels: set[str] = set()
    for path in shared_data.glob("*/labels.json"):
        rows = json.loads(path.read_text(encoding="utf-8"))
        labels |= {name for key, name in rows.items() if not key.startswith("_") and name != "background"}
    assert "esophagus" in labels
    assert labels - set(concepts()) == set()


def test_references_hold() -> None:
    for group in groups().values():
        assert set(group.members) <= set(concepts()), group.id
    for concept in concepts().values():
        assert concept.id in groups()[concept.group].members, concept.id
        assert set(concept.parts) <= set(concepts()) - {concept.id}, concept.id


def test_pairs_differ_in_side_and_color_only() -> None:
    for concept in concepts().values():
        other = concepts().get(concept.id.replace("_left", "_right", 1))
        if concept.side != "left" or other is None:
            continue
        assert other.side == "right", concept.id
        assert other.type == concept.type or concept.group == "heart_structures", concept.id
        assert other.color != concept.color, concept.id


def test_codes_agree() -> None:
    for concept in concepts().values():
        scheme, value, meaning = concept.type
        assert (scheme, value) == ("SCT", concept.snomed) if concept.snomed else scheme == "99VLP", concept.id
        assert meaning
        expected = {"left": "7771000", "right": "24028007"}.get(concept.side)
        assert concept.modifier is None or concept.modifier[1] == expected, concept.id


@pytest.mark.parametrize("concept", concepts().values(), ids=lambda c: c.id)
def test_every_word_means_its_concept(concept: Concept) -> None:
    phrases = [concept.name, *(sided(concept, phrase) for phrase in concept.synonyms)]
    if concept.side:
        phrases += [f"{phrase}, {concept.side}" for phrase in concept.synonyms]
    if concept.id not in {"vertebrae"}:  # as a word it is the group of single vertebrae; see "Vertebral column"
        phrases += [concept.id, concept.id.upper()]
    for phrase in phrases:
        assert [c.id for c in parse_prompt(phrase).concepts] == [concept.id], phrase


def test_every_alias_means_its_concept() -> None:
    """Said without a side, it may mean both; none shrinks to the name of something else when small words go."""
    for concept in concepts().values():
        for phrase in concept.aliases:
            prompt = parse_prompt(phrase)
            assert {c.id.removesuffix(f"_{c.side}") for c in prompt.concepts} == {
                concept.id.removesuffix(f"_{concept.side}")
            }, phrase
            assert not prompt.unknown, phrase
    for group in groups().values():
        for phrase in group.aliases:
            assert {c.id for c in parse_prompt(phrase).concepts} == set(group.members), phrase


def test_every_word_means_its_group() -> None:
    for group in groups().values():
        for phrase in (group.name, *group.synonyms):
            found = {c.id for c in parse_prompt(phrase).concepts}
            assert found == set(group.members), (group.id, phrase)

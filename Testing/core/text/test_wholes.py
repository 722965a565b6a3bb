"""What is meant as a whole is said in the structures that a model knows."""

from __future__ import annotations

import pytest

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.prompt import parse_prompt
from vlp3d_core.text.wholes import known_as


@pytest.mark.parametrize(
    ("text", "known", "meant"),
    [
        ("spine", ["vertebrae"], {"vertebrae"}),
        ("L1 to L5", ["vertebrae"], {f"vertebrae_L{level}" for level in range(1, 6)}),
        ("spine without the sacrum", ["vertebrae", "sacrum"], {"vertebrae"}),
        ("pons, midbrain and medulla oblongata", ["brainstem"], {"brainstem"}),
        ("pons and midbrain", ["brainstem"], {"pons", "midbrain"}),
        ("brainstem", ["pons", "midbrain", "medulla_oblongata"], {"pons", "midbrain", "medulla_oblongata"}),
        ("hippocampus", ["hippocampus_anterior", "hippocampus_posterior"],
         {"hippocampus_anterior", "hippocampus_posterior"}),
        ("left hippocampus", ["hippocampus_anterior", "hippocampus_posterior"], {"hippocampus_left"}),
        ("jejunum and ileum", ["small_bowel", "ileum"], {"jejunum", "ileum"}),
    ],
)  # fmt: skip
def test_in_what_a_model_knows(text: str, known: list[str], meant: set[str]) -> None:
    prompt = parse_prompt(text, known=known)
    assert {concept.id for concept in prompt.concepts} == meant and not prompt.unknown


def test_the_place_in_a_list_is_kept() -> None:
    wanted = ("liver", *concepts()["brainstem"].parts, "spleen")
    assert known_as(wanted, ["brainstem"]) == ("liver", "brainstem", "spleen")
    assert known_as(wanted, ["brainstem", "pons"]) == wanted

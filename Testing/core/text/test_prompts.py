"""Prompts are sentences of the report grammar: it reads them back as the finding, or as its absence."""

from __future__ import annotations

import pytest

from vlp3d_core.errors import UsageError
from vlp3d_core.text.report import parse_report
from vlp3d_core.text.report.kinds import kinds
from vlp3d_core.text.report.prompts import prompts_of


@pytest.mark.parametrize(("name", "modality"), [(name, m) for name, kind in kinds().items() for m in kind.modalities])
def test_the_grammar_understands_its_prompts(name: str, modality: str) -> None:
    prompts = prompts_of(name, modality)
    assert prompts.there and prompts.not_there
    for sentence in prompts.not_there:
        assert parse_report(sentence).none == (name,)
    # Left out of the prompts on purpose, and what makes the finding whole.
    kind = kinds()[name]
    measures = f", 12 {kind.unit}" * kind.size + "".join(
        f", {words[0]}" for words in (kind.density, kind.degree) if words
    )
    for sentence in prompts.there:
        facts = parse_report(f"{sentence.rstrip('.')}{measures}.")
        assert [finding.kind for finding in facts.findings] == [name] and not facts.none


def test_wordings_sides_and_sites() -> None:
    there = prompts_of("kidney_cyst", "CT").there
    assert "There is a left renal cyst." in there and "A cyst in the right kidney is seen." in there
    assert "Ascites is present." in prompts_of("ascites", "CT").there
    assert "An amount of free abdominal fluid is seen." in prompts_of("ascites", "CT").there
    assert any("middle lobe" in sentence for sentence in prompts_of("lung_nodule", "CT").there)
    assert prompts_of("cardiomegaly", "CT").there == kinds()["cardiomegaly"].statements


def test_only_what_is_said_of_such_scans() -> None:
    ct, mr = (prompts_of("bone_metastasis", modality) for modality in ("CT", "MR"))
    assert any("clerotic" in sentence for sentence in ct.there + ct.not_there)
    assert not any("clerotic" in sentence for sentence in mr.there + mr.not_there)
    assert not any("hypointense" in sentence for sentence in ct.there)


def test_a_finding_without_words() -> None:
    with pytest.raises(UsageError, match="no words for the finding 'boredom'"):
        prompts_of("boredom", "CT")

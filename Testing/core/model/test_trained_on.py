"""Subjects of a model: recognised, carried on, and not readable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.trained_on import SUBJECTS, note_subjects, trained_on


def test_who_was_trained_on(tmp_path: Path) -> None:
    assert trained_on(tmp_path, ["anna"]) is None
    note_subjects(tmp_path, ["anna", "bert", "anna"])
    assert trained_on(tmp_path, ["zoe", "bert", "anna"]) == ["anna", "bert"]
    assert trained_on(tmp_path, ["zoe"]) == []
    assert "anna" not in (tmp_path / SUBJECTS).read_text()


def test_a_model_has_seen_what_its_start_has_seen(tmp_path: Path) -> None:
    first, second, bare = (tmp_path / name for name in ("first", "second", "bare"))
    for folder in (first, second, bare):
        folder.mkdir()
    note_subjects(first, ["anna"])
    note_subjects(second, ["bert"], (first, None, bare))
    assert trained_on(second, ["anna", "bert", "zoe"]) == ["anna", "bert"]
    note_subjects(second, ["zoe"])
    assert trained_on(second, ["anna", "bert", "zoe"]) == ["zoe"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.sets(st.text(st.characters(exclude_categories=())).filter(bool), max_size=5), st.text())
def test_any_name(tmp_path: Path, names: set[str], other: str) -> None:
    note_subjects(tmp_path, names)
    assert trained_on(tmp_path, [*names, other]) == sorted({*names} | ({other} & names))


@pytest.mark.parametrize("content", ["", "[]", '{"trained_on": 3}', '{"trained_on": [1]}', "\xff"])
def test_a_damaged_list(content: str, tmp_path: Path) -> None:
    (tmp_path / SUBJECTS).write_text(content, encoding="latin-1")
    with pytest.raises(MedVLPError, match=r"subjects\.json is damaged"):
        trained_on(tmp_path, ["anna"])

"""Lists of volumes that models must refuse."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers.others import listed
from vlp3d_core.train.manifest import read_manifest, write_manifest

MODELS = tuple(json.loads((files("vlp3d_core.train.importers") / "others.json").read_text(encoding="utf-8"))["others"])


@pytest.mark.parametrize("model", MODELS)
def test_a_volume_is_in_one_split(model: str, shared_data: Path, tmp_path: Path) -> None:
    cases = listed(model, shared_data)
    assert {case.split for case in cases} == {"validation", "test"}
    write_manifest(cases, tmp_path / "m.jsonl")
    assert len(read_manifest(tmp_path / "m.jsonl")) == len(cases) >= 13


@pytest.mark.parametrize("model", ["ct-trunk", "mr-brain"])
def test_no_volume_is_both_own_and_another(model: str, shared_data: Path) -> None:
    own, others = ({case.image for case in listed(model, shared_data, kind)} for kind in ("own", "others"))
    assert own and not own & others


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match=r"no list of volumes \(own\) for ct-head-neck"):
        listed("ct-head-neck", tmp_path, "own")
    with pytest.raises(MedVLPError, match=r"has no totalsegmentator/example_ct\.nii\.gz"):
        listed("ct-head-neck", tmp_path)

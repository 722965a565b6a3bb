"""Lists of volumes that models must refuse."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import Phantom
from vlp3d_core.train.importers.others import SLICES, listed, slabs
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.write_image import write_volume

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


def test_slabs_are_the_middle_of_a_scan_at_its_place(phantom: Phantom, tmp_path: Path) -> None:
    write_volume(phantom.volume, tmp_path / "scan.nii.gz")
    scan = read_volume(tmp_path / "scan.nii.gz")
    made = list(slabs([Case(tmp_path / "scan.nii.gz", "patient", "test")], tmp_path / "slabs"))
    assert [case.subject for case in made] == [f"patient-{count}" for count in SLICES]
    for case, count in zip(made, SLICES, strict=True):
        slab, first = read_volume(case.image), (scan.shape[2] - count) // 2
        assert np.array_equal(slab.array, scan.array[..., first : first + count]) and case.split == "test"
        assert np.allclose(slab.affine @ [0, 0, 0, 1], scan.affine @ [0, 0, first, 1])


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match=r"no list of volumes \(own\) for ct-head-neck"):
        listed("ct-head-neck", tmp_path, "own")
    with pytest.raises(MedVLPError, match=r"has no totalsegmentator/example_ct\.nii\.gz"):
        listed("ct-head-neck", tmp_path)

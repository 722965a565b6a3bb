"""The importer of trunks: names out of a NIfTI header, lungs by their HU, and the real files where they are at hand."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import load_config
from vlp3d_core.train.importers import trunk
from vlp3d_core.train.manifest import read_manifest
from vlp3d_core.volume.volume import Volume

TABLE = """<?xml version="1.0"?><CaretExtension><VolumeInformation Index="0"><LabelTable>
<Label Key="5" Red="1"><![CDATA[liver]]></Label><Label Key="30" Red="1"><![CDATA[vertebrae_T12]]></Label>
</LabelTable></VolumeInformation></CaretExtension>"""


def chest(touching: bool = True, mirrored: bool = False) -> Volume:
    """Two lungs of 250 ml in a body of water, one voxel apart or touching over a few voxels; air around."""
    array = np.full((48, 40, 40), -1000, np.float32)
    array[2:46, 2:38, 2:38] = 0
    array[6:23, 8:32, 8:32], array[24:42, 8:32, 8:32] = -800, -790
    array[23, 8:32, 8:32] = 0
    if touching:
        array[23, 18, 8:32] = -800
    affine = np.diag([-3.0 if mirrored else 3, 3, 3, 1])
    return Volume(array, affine, "CT")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("touching", [False, True])
def test_lungs(touching: bool, mirrored: bool) -> None:
    volume = chest(touching, mirrored)
    found = trunk.lungs(volume)
    first, second = (2, 1) if mirrored else (1, 2)  # the lower index is at the left in RAS, unless mirrored
    for value, part in ((first, np.s_[6:23, 8:32, 8:32]), (second, np.s_[24:42, 8:32, 8:32])):
        truth = np.zeros(volume.shape, bool)
        truth[part] = True
        assert 2 * (truth & (found == value)).sum() / (truth.sum() + (found == value).sum()) > 0.98
    assert not found[:2].any()  # the air around is no lung


def test_one_lung_is_not_guessed_at() -> None:
    volume = chest(touching=False)
    volume.array[6:23] = 0
    with pytest.raises(MedVLPError, match="1 large"):
        trunk.lungs(volume)


def test_names_in_a_header(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    nib.save(image, tmp_path / "bare.nii.gz")
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, TABLE.encode()))
    nib.save(image, tmp_path / "named.nii.gz")
    assert trunk.names_in(tmp_path / "named.nii.gz") == {5: "liver", 30: "vertebrae_T12"}
    with pytest.raises(MedVLPError, match="does not name"):
        trunk.names_in(tmp_path / "bare.nii.gz")


@pytest.mark.parametrize(
    ("part", "of"),
    [
        ("lung_upper_lobe_left", "lung_left"),
        ("lung_middle_lobe_right", "lung_right"),
        ("vertebrae_L1", "vertebrae"),
        ("vertebrae_S1", "sacrum"),
        ("liver", "liver"),
    ],
)
def test_parts_become_wholes(part: str, of: str) -> None:
    assert trunk.whole(part) == of


def test_a_folder_without_the_patient(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match=r"example_ct\.nii\.gz"):
        trunk.trunk_cases(tmp_path, tmp_path)


def test_the_real_files(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "trunk.jsonl"
    arguments = [shared_data / "totalsegmentator", "--heads", shared_data / "openkbp", "--phantoms", "1", "-o", out]
    monkeypatch.setattr(sys, "argv", ["trunk", *map(str, arguments)])
    trunk.main()
    cases = read_manifest(out)
    known = set(load_config("ct-trunk").concepts)
    real = next(case for case in cases if case.subject == "example")
    values = set(np.unique(np.asarray(nib.load(real.label).dataobj)).tolist()) - {0}
    drawn = {real.labels[value] for value in values} & known
    assert len(drawn) == 41 and real.weight == trunk.WEIGHT  # all of the recipe but the heart
    crops = [case for case in cases if case.subject == "chest"]
    assert [set(case.labels.values()) for case in crops] == [
        {"lung_left", "lung_right", "aorta"},
        {"lung_left", "lung_right"},
    ]
    heads = [case for case in cases if case.subject.startswith("pt_")]
    assert len(heads) == 12 and all("liver" in case.contoured and "vertebrae" not in case.contoured for case in heads)
    assert [case.split for case in cases if "phantom" in case.subject] == ["train"] + ["validation"] * 4

"""SynthSeg's label maps: tissues of both sides alike, names, splits, and the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Testing.core.train.importers.made import build, labels, request, text
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import synthseg
from vlp3d_core.train.synthesis.tissues import read_tissues
from vlp3d_core.volume.read_labels import read_labels

NAMES = {
    "0": "background",
    "3": "cerebral_cortex_left",
    "42": "cerebral_cortex_right",
    "16": "brainstem",
    "77": "no concept",
    "_files": "label maps without images",
}


def folder_of(folder: Path, count: int = 4) -> Path:
    for number in range(count):
        labels(folder / f"training_seg_{number:02d}.nii.gz", 3, 42, 16, 25, 57, 77, *([number + 30] if number else []))
    text(folder / "labels.json", json.dumps(NAMES))
    return folder


def test_tissues_of_both_sides_are_alike() -> None:
    names = {3: "cerebral_cortex_left", 42: "cerebral_cortex_right", 16: "brainstem"}
    tissues = synthseg.tissues_of([3, 16, 25, 42, 57, 77, 502, 530], names)
    assert tissues[3] == tissues[42] and tissues[25] == tissues[57] and tissues[502] == 100 and tissues[530] == 101
    assert (
        len(set(tissues.values())) == 6 and min(tissues.values()) == 1 and max(tissues[v] for v in (3, 16, 25, 77)) == 4
    )


def test_maps_names_and_splits(tmp_path: Path) -> None:
    cases, notes = build("synthseg", folder_of(tmp_path / "maps"))
    assert sorted(c.split for c in cases.values()) == ["test", "train", "train", "validation"]
    first = cases["training_seg_00-tissues.nii.gz"]
    assert (first.subject, first.made_from, first.modality) == ("training_seg_00", "tissues", "MR")
    assert first.labels == {3: "cerebral_cortex_left", 42: "cerebral_cortex_right", 16: "brainstem"}
    assert first.contoured == (*first.labels.values(), "white_matter_lesion")
    assert first.label == tmp_path / "maps/training_seg_00.nii.gz"
    assert "no concept for the label values 25, 31, 32, 33, 57 and 1 more" in notes
    again, _ = build("synthseg", folder_of(tmp_path / "maps"), seed=5)
    assert {n: c.split for n, c in again.items()} != {n: c.split for n, c in cases.items()}


def test_the_maps_that_are_written_lie_on_the_labels(tmp_path: Path) -> None:
    cases, _ = build("synthseg", folder_of(tmp_path / "maps"))
    for case in cases.values():
        tissues = read_tissues(case.image)
        assert case.label
        given, affine = read_labels(case.label)
        assert np.allclose(tissues.affine, affine) and np.array_equal(tissues.array > 0, given > 0)
        assert len(np.unique(tissues.array)) == len(np.unique(given)) - 2, "two pairs became one tissue each"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("[]", "no labels.json in it that names"),
        ("{", "no labels.json in it that names"),
        ('{"3": "cheese"}', "names no concept"),
        (None, "no label map"),
    ],
)
def test_another_folder_is_refused(tmp_path: Path, change: str | None, reason: str) -> None:
    folder = folder_of(tmp_path / "maps", count=0 if change is None else 1)
    if change is not None:
        text(folder / "labels.json", change)
    with pytest.raises(MedVLPError, match=reason):
        synthseg.read(request(folder))


def test_more_values_than_tissues(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "maps", 1)
    labels(folder / "many.nii.gz", *range(1, 110))
    with pytest.raises(MedVLPError, match="more than there can be tissues"):
        synthseg.read(request(folder))


def test_the_real_maps(shared_data: Path, tmp_path: Path) -> None:
    """Two of the twenty: the sides are where they belong, and what lies outside of the brain is told apart."""
    home, folder = shared_data / "synthseg_labelmaps", tmp_path / "maps"
    if not home.is_dir():
        pytest.skip(f"no label maps in {home}")
    folder.mkdir()
    for name in ("labels.json", "training_seg_01.nii.gz", "training_seg_02.nii.gz"):
        (folder / name).symlink_to(home / name)
    cases, notes = build("synthseg", folder)
    assert len(cases) == 2
    for case in cases.values():
        assert case.label and len(case.labels) == 32
        tissues = read_tissues(case.image).array
        given, affine = read_labels(case.label)
        middle = [affine @ [*np.argwhere(given == value).mean(0), 1] for value in (17, 53)]
        assert middle[0][0] < middle[1][0] - 20, "left is at low R"
        assert tissues.max() == 110 and set(np.unique(tissues[given >= 500])) == set(range(100, 111))
        assert tissues[(given > 0) & (given < 500)].max() == 24
    assert "no concept for the label values 25, 30, 57, 62, 72" in notes

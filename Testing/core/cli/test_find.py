"""`vlp3d find`: ranks, places and masks of regions that a text names."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from Testing.core.cli.conftest import Run
from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_labels
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume


def test_regions_with_their_places(vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("find", scan, "both parotid glands", "-o", out / "m.nii.gz", "--model", "ct-tiny", "--json")
    assert done.code == 0
    result = done.json
    assert [row["rank"] for row in result["regions"]] == [1, 2]
    assert {row["concept"] for row in result["regions"]} == {"parotid_gland_left", "parotid_gland_right"}
    for row in result["regions"]:
        centre, half = PLACES[row["concept"]]
        assert row["centre_ras_mm"] == pytest.approx(centre, abs=2.1)
        assert row["volume_ml"] == pytest.approx(8 * np.prod(half) / 1000, rel=0.15)
        assert 0.5 < row["score"] <= 1
    labels = np.asarray(nib.load(out / "m.nii.gz").dataobj)
    truth = toy_labels(toy_grid())
    for row in result["regions"]:
        assert np.array_equal(labels == row["rank"], truth == 1 + list(BANDS).index(row["concept"]))
    beside = json.loads((out / "m.json").read_text(encoding="utf-8"))
    assert [(row["value"], row["concept"]) for row in beside["labels"]] == [
        (row["rank"], row["concept"]) for row in result["regions"]
    ]


def test_a_table_for_people(vlp3d: Run, scan: Path) -> None:
    done = vlp3d("find", scan, "lower jaw", "--model", "ct-tiny")
    assert done.code == 0 and done.out == vlp3d("find", scan, "--model", "ct-tiny", "lower jaw").out
    assert done.out.splitlines()[0].split()[:2] == ["RANK", "REGION"]
    assert "Mandible" in done.out.splitlines()[1]


def test_at_most_k(vlp3d: Run, scan: Path) -> None:
    assert len(vlp3d("find", scan, "parotids", "-k", "1", "--model", "ct-tiny", "--json").json["regions"]) == 1
    assert vlp3d("find", scan, "parotids", "-k", "0", "--model", "ct-tiny").code == 2


@pytest.mark.parametrize(("text", "said"), [("gobbledygook", "gobbledygook"), ("liver", "liver"), ("", "no structure")])
def test_a_text_that_the_model_cannot_answer(text: str, said: str, vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("find", scan, text, "-o", out / "m.nii.gz", "--model", "ct-tiny")
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert list(out.iterdir()) == []


def test_nothing_found_is_an_answer(vlp3d: Run, toy_head: Volume, tmp_path: Path, out: Path) -> None:
    array = np.where(toy_labels(toy_grid()) == 1 + list(BANDS).index("mandible"), -60, toy_head.array)
    path = tmp_path / "no-jaw.nii.gz"
    write_volume(toy_head.with_array(array.astype(np.float32)), path)
    done = vlp3d("find", path, "mandible", "-o", out / "m.nii.gz", "--model", "ct-tiny")
    assert done.code == 0
    assert done.out == "Nothing found.\n"
    assert "mandible" in done.err
    assert "was not written" in done.err
    assert list(out.iterdir()) == []
    result = vlp3d("find", path, "mandible", "-o", out / "m.nii.gz", "--model", "ct-tiny", "--json").json
    assert result["regions"] == []
    assert result["output"] is None
    assert len(result["notes"]) >= 2


def test_like_a_region_of_another_volume(vlp3d: Run, scan: Path, out: Path) -> None:
    labels = out / "labels.nii.gz"
    nib.save(nib.Nifti1Image(toy_labels(toy_grid()), toy_grid().affine), labels)
    value = 1 + list(BANDS).index("mandible")
    command = ("find", scan, "--like", scan, "--model", "ct-tiny")
    done = vlp3d(*command, "--region", f"{labels}:{value}", "-o", out / "m.nii.gz", "--json")
    assert done.code == 0
    (row,) = done.json["regions"]
    assert row["name"] == f"Like labels.nii.gz:{value}" and done.json["text"] == f"like labels.nii.gz:{value}"
    assert row["centre_ras_mm"] == pytest.approx(PLACES["mandible"][0], abs=2.1)
    assert np.array_equal(np.asarray(nib.load(out / "m.nii.gz").dataobj) == 1, toy_labels(toy_grid()) == value)
    for asked, said in (
        (("--region", labels), f"holds {len(BANDS)} regions. Say which: {labels}:1"),
        (("--region", f"{labels}:99"), "labels.nii.gz:99 has no voxel"),
        (("--region", f"{scan}:1"), "is not a label map"),
        ((), "Say what to look for"),
        (("--region", f"{labels}:1", "mandible"), "Say what to look for"),
    ):
        done = vlp3d(*command, *asked)
        assert done.code in (1, 2) and said in done.err, done.err
    done = vlp3d(*command, "--region", f"{labels}:{value}", "-o", labels)
    assert done.code == 2 and "written over" in done.err

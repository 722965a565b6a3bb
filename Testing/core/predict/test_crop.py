"""A region cut to its box is the region: voxel by voxel what resampling the whole volume gives."""

from __future__ import annotations

import numpy as np
import pytest

from Testing.core.tiny import toy_grid, toy_head
from vlp3d_core.errors import UsageError
from vlp3d_core.predict import LoadedModel
from vlp3d_core.volume import Grid
from vlp3d_core.volume.resample_labels import resample_labels

TURN = np.array([[0.96, -0.26, 0.05], [0.26, 0.95, -0.15], [-0.01, 0.16, 0.98]])
GRIDS = {
    "the model's own": toy_grid(),
    "finer": toy_grid((2.5, 2.0, 3.0)),
    "coarser": toy_grid((6.0, 7.0, 5.0)),
    "flipped": Grid(toy_grid((3, 3, 3)).shape, toy_grid((3, 3, 3)).affine @ np.diag([-1.0, 1, -1, 1])),
    "oblique": Grid((60, 55, 50), np.block([[TURN * [3, 3.3, 3.6], np.array([[-80.0], [-90], [-85]])], [0, 0, 0, 1]])),
}
# The flipped grid runs from its other end.
GRIDS["flipped"].affine[:3, 3] *= [-1, 1, -1]


@pytest.mark.parametrize("name", GRIDS)
def test_a_crop_is_exactly_that_part_of_the_whole(model: LoadedModel, name: str) -> None:
    volume = toy_head(GRIDS[name])
    encoded = model.encode(volume)
    regions = model.find(encoded, "mandible, skull, trachea, brainstem", k=20)
    assert len(regions) >= 4
    for region in regions:
        others = encoded.labels if encoded.lead is not None else np.zeros_like(encoded.labels)
        labels = np.where(others == region.value, 0, others)  # no other pieces of it
        labels[region.box][region.core] = region.value
        whole = resample_labels(labels, encoded.grid, Grid.of(volume), lead=encoded.lead) == region.value
        mask, affine = region.crop()
        offset = np.linalg.inv(volume.affine) @ affine[:, 3]
        first = np.round(offset[:3]).astype(int)
        assert np.allclose(affine[:3, :3], volume.affine[:3, :3]) and np.allclose(first, offset[:3])
        pasted = np.zeros_like(whole)
        pasted[tuple(slice(a, a + n) for a, n in zip(first, mask.shape, strict=True))] = mask
        assert mask.any() and np.array_equal(pasted, whole) and np.array_equal(region.mask(), whole)
        assert all(mask.any(axis=tuple(a for a in range(3) if a != axis))[[0, -1]].all() for axis in range(3))


def test_a_region_between_two_voxels_is_an_empty_one(model: LoadedModel) -> None:
    encoded = model.encode(toy_head())
    region = model.find(encoded, "mandible")[0]
    coarse = Grid((3, 3, 3), np.diag([150.0, 150, 150, 1]))
    coarse.affine[:3, 3] = -150 + 60
    object.__setattr__(encoded, "volume", toy_head(coarse))
    mask, affine = region.crop()
    assert mask.shape == (1, 1, 1) and not mask.any()
    assert np.abs(affine[:3, 3] - region.centre).max() <= 75


def test_segmenting_what_was_encoded_is_segmenting(model: LoadedModel) -> None:
    volume = toy_head(toy_grid((3.0, 2.0, 2.5)))
    whole = model.segment(volume, ["mandible", "skull"])
    again = model.segment(model.encode(volume), ["mandible", "skull"])
    assert np.array_equal(whole.labels, again.labels) and whole.segments == again.segments
    with pytest.raises(UsageError, match="pass of its own"):
        model.segment(model.encode(volume), roi=(0, 1, 0, 1, 0, 1))


def test_progress_of_a_segmentation(model: LoadedModel) -> None:
    stages = ["preparing", "encoding", "cleaning", "resampling"]
    told: list[tuple[str, float]] = []
    model.segment(toy_head(toy_grid((1.5, 1.5, 1.5))), progress=lambda stage, fraction: told.append((stage, fraction)))
    assert list(dict.fromkeys(stage for stage, _ in told)) == stages
    assert told == sorted(told, key=lambda item: (stages.index(item[0]), item[1]))
    assert len([t for t in told if t[0] == "resampling"]) > 3

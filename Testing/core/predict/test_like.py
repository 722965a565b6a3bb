"""A region of one toy head is shown and found in another one, where it lies elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_labels
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.predict import LoadedModel
from vlp3d_core.predict.like import discriminant, moments
from vlp3d_core.volume import Volume


def mask_of(name: str) -> np.ndarray:
    return toy_labels(toy_grid()) == list(BANDS).index(name) + 1


@pytest.mark.parametrize("name", [name for name in BANDS if name != "trachea"])  # no plane tells it from air here
def test_the_same_structure_somewhere_else(model: LoadedModel, toy_head: Volume, name: str) -> None:
    likeness = model.likeness(toy_head, mask_of(name), "an example")
    moved = Volume(np.ascontiguousarray(toy_head.array[::-1, ::-1]), toy_head.affine, "CT")
    (region,) = model.find_alike(moved, likeness)
    assert np.array_equal(region.mask() > 0, mask_of(name)[::-1, ::-1])
    assert np.allclose(region.centre, np.array(PLACES[name][0]) * (-1, -1, 1), atol=1e-6)
    assert region.concept.name == "Like an example" and region.score > 0.9
    half = PLACES[name][1]
    assert likeness.volume_ml == pytest.approx(8 * half[0] * half[1] * half[2] / 1000)


def test_pieces_and_none(model: LoadedModel, toy_head: Volume) -> None:
    """Two alike regions answer, a crumb does not; and where there is none, a note says so."""
    likeness = model.likeness(toy_head, mask_of("skull"))
    array = toy_head.array.copy()
    array[4:12, 20:24, 4:7] = toy_head.array[mask_of("skull")][0]
    array[30, 30, 30] = toy_head.array[mask_of("skull")][0]
    assert len(model.find_alike(toy_head.with_array(array), likeness)) == 2
    assert len(model.find_alike(toy_head.with_array(array), likeness, k=1)) == 1
    array = np.where(mask_of("skull"), -60, toy_head.array).astype(np.float32)
    nothing = model.find_alike(toy_head.with_array(array), likeness)
    assert len(nothing) == 0 and nothing.notes[-1].startswith("Nothing looks like the region")
    with pytest.raises(UsageError, match="0 regions"):
        model.find_alike(toy_head, likeness, k=0)


def test_what_cannot_be_shown(model: LoadedModel, toy_head: Volume) -> None:
    empty = np.zeros(toy_head.shape, bool)
    crumb = np.zeros(toy_grid((1.0, 1.0, 1.0)).shape, bool)
    wide = Volume(np.pad(toy_head.array, 24, constant_values=-1000), toy_head.affine, "CT")
    air = np.zeros(wide.shape, bool)
    air[0, 0, 0], crumb[80, 80, 80] = True, True
    fine = Volume(np.full(crumb.shape, -60, np.float32), toy_grid((1.0, 1.0, 1.0)).affine, "CT")
    fine.array[:40] = -1000
    for volume, mask, said in (
        (toy_head, empty, "has no voxel"),
        (wide, air, "lies outside of what the volume shows"),
        (fine, crumb, "smaller than a voxel of the model"),
        (fine.with_array(np.full_like(fine.array, -1000)), ~crumb, "nothing but air"),
    ):
        with pytest.raises(UsageError, match=said):
            model.likeness(volume, mask)
    with pytest.raises(MedVLPError, match="all that the volume shows"):
        model.likeness(toy_head, ~empty)
    with pytest.raises(MedVLPError, match="is MR"):
        model.likeness(Volume(toy_head.array, toy_head.affine, "MR"), mask_of("skull"))


def test_the_discriminant_is_fishers() -> None:
    """Against the definition, on two clouds of points; its offset is where two normal clouds are equally likely."""
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0.4, 0], [0, 1.0, 0], [0, 0, 1.2]])
    region, rest = rng.normal(size=(4000, 3)) @ mix + [2, 0, 1], rng.normal(size=(16000, 3)) @ mix
    *weights, offset = discriminant(moments(region), moments(rest))
    exact = np.linalg.solve(mix.T @ mix, [2, 0, 1])
    assert np.allclose(weights, exact, rtol=0.1, atol=0.1)
    assert offset == pytest.approx(np.log(1 / 4) - exact @ [2, 0, 1] / 2, rel=0.1)

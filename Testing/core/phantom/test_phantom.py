"""The phantom is the same for the same seed, arranged like a person, and its facts are true."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import REGIONS, Fact, Phantom, make_phantom, structures
from vlp3d_core.text import concepts

COARSE = (9.0, 9.0, 9.0)
# Adults' volumes in ml, wide enough for all sexes, sizes and a coarse grid.
VOLUMES = {
    "trunk": {
        "liver": (800, 2600),
        "spleen": (100, 600),
        "kidney_left": (90, 330),
        "kidney_right": (90, 330),
        "gallbladder": (8, 90),
        "vertebrae_L2": (25, 110),
    },
    "head-neck": {
        "brainstem": (10, 45),
        "parotid_gland_left": (9, 60),
        "parotid_gland_right": (9, 60),
        "larynx": (8, 40),
        "mandible": (25, 100),
        "vertebrae_C5": (4, 25),
    },
}


def facts_of(phantom: Phantom) -> dict[str, Fact]:
    return {fact.concept: fact for fact in phantom.facts}


def both(phantom: Phantom, head_neck_phantom: Phantom) -> list[Phantom]:
    return [phantom, head_neck_phantom]


@pytest.mark.parametrize("region", REGIONS)
def test_same_seed_same_phantom(region: str) -> None:
    first, again = (make_phantom(3, region, COARSE) for _ in range(2))
    assert np.array_equal(first.volume.array, again.volume.array)
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.volume.affine, again.volume.affine)
    assert first.values == again.values and first.facts == again.facts


def test_regions_do_not_disturb_each_other() -> None:
    before = make_phantom(3, "trunk", COARSE)
    make_phantom(3, "head-neck", COARSE)
    assert np.array_equal(before.labels, make_phantom(3, "trunk", COARSE).labels)


@pytest.mark.parametrize("region", REGIONS)
def test_other_seed_other_patient(region: str) -> None:
    first, other = (make_phantom(seed, region, COARSE, size=(40, 40, 40)) for seed in (3, 4))
    assert np.mean(first.labels != other.labels) > 0.02
    assert not np.array_equal(first.volume.affine, other.volume.affine)
    assert first.volume.array.std() > 100


def test_left_is_left_and_up_is_up(phantom: Phantom, head_neck_phantom: Phantom) -> None:
    trunk, head = facts_of(phantom), facts_of(head_neck_phantom)
    for facts in (trunk, head):
        for name, fact in facts.items():
            twin = name.replace("left", "right")
            if fact.side == "left" and twin in facts:
                assert fact.center_ras[0] < facts[twin].center_ras[0], name
    middle = trunk["vertebrae_L1"].center_ras
    assert trunk["kidney_left"].center_ras[0] < middle[0] < trunk["kidney_right"].center_ras[0]
    assert trunk["spleen"].center_ras[0] < middle[0] < trunk["liver"].center_ras[0]
    assert trunk["aorta"].center_ras[1] > middle[1] > trunk["autochthon_left"].center_ras[1]
    assert trunk["liver"].center_ras[2] > trunk["vertebrae_L4"].center_ras[2]
    assert head["brain"].center_ras[2] > head["mandible"].center_ras[2] > head["larynx"].center_ras[2]
    assert head["mandible"].center_ras[1] > head["larynx"].center_ras[1] > head["spinal_cord"].center_ras[1]


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("region", REGIONS)
def test_vertebrae_in_order(seed: int, region: str) -> None:
    facts = facts_of(make_phantom(seed, region, (6, 6, 4)))
    order = [f"vertebrae_{k}{n}" for k, last in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, last + 1)]
    present = [facts[name] for name in order if name in facts and not facts[name].cut]
    assert len(present) >= 5
    assert all(upper.center_ras[2] > lower.center_ras[2] for upper, lower in pairwise(present))


@pytest.mark.parametrize("seed", [7, 21, 22])
@pytest.mark.parametrize("region", REGIONS)
def test_volumes_plausible(seed: int, region: str) -> None:
    facts = facts_of(make_phantom(seed, region, (6, 6, 4)))
    for name, (low, high) in VOLUMES[region].items():
        assert name in facts
        if not facts[name].cut:
            assert low < facts[name].volume_ml < high, name


def test_hounsfield_units(phantom: Phantom, head_neck_phantom: Phantom) -> None:
    trunk, head = facts_of(phantom), facts_of(head_neck_phantom)
    assert 30 < trunk["liver"].mean < 140
    assert 100 < trunk["vertebrae_L2"].mean < 500
    assert trunk["lung_lower_lobe_right"].mean < -500
    assert head["skull"].mean > 400 and head["mandible"].mean > 400
    assert 0 < head["brain"].mean < 100
    for array in (phantom.volume.array, head_neck_phantom.volume.array):
        assert array.dtype == np.float32 and array.min() >= -1024 and array.max() <= 3071
    assert np.mean(head_neck_phantom.volume.array == -1024) > 0.3


def test_everything_inside_one_body(phantom: Phantom, head_neck_phantom: Phantom) -> None:
    for made in both(phantom, head_neck_phantom):
        soft = made.volume.array > -600
        names, count = ndimage.label(soft)
        largest = 1 + int(np.argmax(np.bincount(names.ravel())[1:])) if count else 0
        body = ndimage.binary_dilation(ndimage.binary_fill_holes(names == largest), iterations=1)
        for k in range(body.shape[2]):
            body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
        labelled = made.labels > 0
        assert labelled.any()
        assert np.mean(body[labelled]) > 0.995


def test_ids_and_values(phantom: Phantom, head_neck_phantom: Phantom) -> None:
    known = concepts()
    assert set(structures()) <= set(known)
    assert len(structures()) >= 100 and max(structures().values()) <= 255
    for made in both(phantom, head_neck_phantom):
        assert made.labels.shape == made.volume.shape
        assert set(np.unique(made.labels)) - {0} == set(made.values)
        assert all(structures()[name] == value for value, name in made.values.items())
        assert len(made.values) >= 40


@pytest.mark.parametrize("region", REGIONS)
def test_same_patient_at_two_spacings(region: str) -> None:
    coarse, fine = make_phantom(5, region, (8, 8, 6)), make_phantom(5, region, (5, 5, 4))
    there = facts_of(fine)
    compared = 0
    for fact in coarse.facts:
        if fact.volume_ml > 30 and not fact.cut and fact.concept in there and not there[fact.concept].cut:
            other = there[fact.concept]
            assert np.all(np.abs(np.subtract(fact.center_ras, other.center_ras)) < coarse.volume.spacing), fact.concept
            assert 0.8 < fact.volume_ml / other.volume_ml < 1.25, fact.concept
            compared += 1
    assert compared >= 5


def test_facts_agree_with_labels(phantom: Phantom) -> None:
    affine = phantom.volume.affine
    for (value, name), fact in zip(phantom.values.items(), phantom.facts, strict=True):
        index = np.argwhere(phantom.labels == value)
        points = index @ affine[:3, :3].T + affine[:3, 3]
        assert fact.concept == name and fact.side == concepts()[name].side
        assert fact.volume_ml == pytest.approx(len(index) * phantom.volume.voxel_ml)
        assert fact.center_ras == pytest.approx(points.mean(axis=0))
        assert fact.extent_mm == pytest.approx(np.ptp(points, axis=0) + phantom.volume.spacing)
        assert fact.mean == pytest.approx(phantom.volume.array[phantom.labels == value].mean(), abs=0.01)
        edge = (index == 0) | (index == np.array(phantom.labels.shape) - 1)
        assert fact.cut == bool(edge.any())


def test_segmentation(phantom: Phantom) -> None:
    segmentation = phantom.segmentation()
    assert [s.concept for s in segmentation.segments] == list(phantom.values.values())
    liver = next(s for s in segmentation.segments if s.concept == "liver")
    assert liver.found and liver.color == concepts()["liver"].color and liver.name == concepts()["liver"].name
    assert np.count_nonzero(segmentation.mask("liver")) * phantom.volume.voxel_ml == pytest.approx(liver.volume_ml)


def test_spacing_and_size() -> None:
    free = make_phantom(2)
    assert all(2 < step < 5 for step in free.volume.spacing)
    assert make_phantom(9).volume.spacing != free.volume.spacing
    sized = make_phantom(2, size=(24, 20, 28))
    assert sized.volume.shape == (24, 20, 28)
    view = np.multiply(free.volume.shape, free.volume.spacing)
    assert np.multiply(sized.volume.shape, sized.volume.spacing) == pytest.approx(view)
    small = make_phantom(2, spacing=(4, 5, 6), size=(20, 22, 24))
    assert small.volume.shape == (20, 22, 24) and small.volume.spacing == pytest.approx((4, 5, 6))


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"seed": 1, "region": "knee"},
        {"seed": 1, "spacing": (1, 1)},
        {"seed": 1, "spacing": (0, 1, 1)},
        {"seed": 1, "spacing": (float("nan"), 1, 1)},
        {"seed": 1, "spacing": "333"},
        {"seed": 1, "spacing": (0.2, 0.2, 0.2)},
        {"seed": 1, "size": (10, 10, 0)},
        {"seed": 1, "size": (10.5, 10, 10)},
        {"seed": 1, "size": (2000, 2000, 2000)},
    ],
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(MedVLPError) as caught:
        make_phantom(**arguments)
    assert caught.value.cause and caught.value.remedy

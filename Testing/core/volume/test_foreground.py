"""The box around the patient: tight, but never without what belongs to it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vlp3d_core.volume.foreground import box_of, foreground_box

WHOLE = 40


@settings(max_examples=40, deadline=None)
@given(start=st.tuples(*[st.integers(0, 30)] * 3), size=st.tuples(*[st.integers(3, 10)] * 3), margin=st.integers(0, 5))
def test_a_box_and_its_margin(start: tuple[int, ...], size: tuple[int, ...], margin: int) -> None:
    image = np.full((WHOLE,) * 3, -1.0, np.float32)
    image[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = 0.0
    box = foreground_box(image, margin)
    assert box == tuple(slice(max(0, a - margin), min(WHOLE, a + n + margin)) for a, n in zip(start, size, strict=True))


def test_specks_do_not_count() -> None:
    image = np.full((WHOLE,) * 3, -1.0, np.float32)
    image[10:20, 10:20, 10:20] = 0.5
    image[39, 39, 39] = 1.0
    image[2, 2, 2:5] = 1.0
    assert foreground_box(image, 0) == (slice(10, 20),) * 3


def test_a_tapering_tip_lies_within_the_margin() -> None:
    image = np.full((WHOLE,) * 3, -1.0, np.float32)
    image[10:20, 10:20, 10:20] = 0.5
    image[20:23, 14:16, 15] = 0.5
    box = foreground_box(image)
    assert box is not None and box[0].stop >= 23


def test_something_tiny_alone_is_the_patient() -> None:
    image = np.full((9, 9, 9), -1.0, np.float32)
    image[4, 5, 6] = 0.0
    assert foreground_box(image, 1) == (slice(3, 6), slice(4, 7), slice(5, 8))


def test_air_alone() -> None:
    assert foreground_box(np.full((5, 6, 7), -0.995, np.float32)) is None


@settings(max_examples=30, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)), max_size=4))
def test_the_smallest_box_is_that_of_scipy(places: list[tuple[int, int, int]]) -> None:
    mask = np.zeros((5, 6, 7), np.uint8)
    for place in places:
        mask[place] = 1
    assert box_of(mask) == (ndimage.find_objects(mask)[0] if places else None)
    assert box_of(mask > 0) == box_of(np.asfortranarray(mask)) == box_of(mask)

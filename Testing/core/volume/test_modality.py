"""What the intensities say about the modality."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.phantom import Phantom
from vlp3d_core.volume.modality import cannot_be_ct, looks_like_ct, must_be_ct, parse_modality


def test_a_ct_is_recognised(phantom: Phantom) -> None:
    assert looks_like_ct(phantom.volume.array)
    assert not cannot_be_ct(phantom.volume.array)


@pytest.mark.parametrize("offset", [1024.0, 3000.0])
def test_a_ct_stored_with_an_offset_is_not_in_hounsfield_units(phantom: Phantom, offset: float) -> None:
    assert cannot_be_ct(phantom.volume.array + np.float32(offset))


def test_an_mr_cannot_be_a_ct() -> None:
    rng = np.random.default_rng(0)
    mr = np.abs(rng.normal(300, 200, size=(40, 40, 40))).astype(np.float32)
    assert cannot_be_ct(mr)
    assert not looks_like_ct(mr)


def test_spellings_of_a_modality() -> None:
    assert [parse_modality(name) for name in ("ct", "MRI", " pet ")] == ["CT", "MR", "PT"]


def test_a_crop_of_a_ct_without_air_is_no_mr(phantom: Phantom) -> None:
    inside = np.maximum(phantom.volume.array[20:40, 15:30, 20:40], np.float32(-700))
    assert not looks_like_ct(inside) and must_be_ct(inside)
    rng = np.random.default_rng(0)
    mr = np.abs(rng.normal(300, 200, size=(40, 40, 40)))
    assert not must_be_ct(mr.astype(np.float32)) and not must_be_ct(((mr - 300) / 200).astype(np.float32))

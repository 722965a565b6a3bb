"""Raw values become [-1, 1], whatever comes in."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.normalise import Normalisation

WINDOW = Normalisation("window", -160.0, 240.0)
PERCENTILE = Normalisation("percentile", 1.0, 99.0)


def test_window_clips_and_scales() -> None:
    values = np.array([-1024, -160, 40, 240, 3000], dtype=np.float32)
    result = WINDOW.apply(values)
    assert result.dtype == np.float32
    assert np.allclose(result, [-1, -1, 0, 1, 1])
    assert values[0] == -1024


def test_fill_means_nothing() -> None:
    assert WINDOW.apply(np.array([WINDOW.fill])) == -1
    image = np.random.default_rng(0).uniform(0, 500, (20, 20, 20))
    image[:5] = 0
    assert PERCENTILE.apply(image)[:5].max() == -1


def test_percentiles_do_not_see_the_background() -> None:
    rng = np.random.default_rng(1)
    tissue = rng.normal(1000, 100, (30, 30, 30)).astype(np.float32)
    padded = np.zeros((60, 60, 60), dtype=np.float32)
    padded[15:45, 15:45, 15:45] = tissue
    assert np.abs(PERCENTILE.apply(padded)[15:45, 15:45, 15:45] - PERCENTILE.apply(tissue)).max() < 0.02


def test_percentiles_do_not_see_the_scale() -> None:
    image = np.random.default_rng(2).gamma(2.0, 50.0, (25, 25, 25)).astype(np.float32)
    assert np.allclose(PERCENTILE.apply(image), PERCENTILE.apply(image * 37), atol=1e-4)


def test_one_outlier_changes_little() -> None:
    image = np.random.default_rng(3).gamma(2.0, 50.0, (25, 25, 25)).astype(np.float32)
    spoiled = image.copy()
    spoiled[0, 0, 0] = 1e6
    assert np.abs(PERCENTILE.apply(image) - PERCENTILE.apply(spoiled)).ravel()[1:].max() < 0.05


@pytest.mark.parametrize("value", [0.0, 1000.0, -5.0])
def test_constant_image_is_nothing(value: float) -> None:
    result = PERCENTILE.apply(np.full((4, 4, 4), value, dtype=np.float32))
    assert (result == -1).all()


def test_large_images_are_sampled() -> None:
    image = np.linspace(0, 1, 300 * 200 * 100, dtype=np.float32).reshape(300, 200, 100)
    result = PERCENTILE.apply(image)
    assert result.ravel()[0] == -1 and result.ravel()[-1] == pytest.approx(1)
    assert abs(result.mean()) < 0.01


def test_layout_is_kept() -> None:
    assert WINDOW.apply(np.zeros((3, 4, 5), order="F", dtype=np.float32)).flags.f_contiguous


def test_json_round_trip() -> None:
    assert Normalisation.from_json(PERCENTILE.to_json()) == PERCENTILE


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "window", "low": 3, "high": 3},
        {"kind": "median", "low": 0, "high": 1},
        {"kind": "percentile", "low": -1, "high": 99},
        {"kind": "window", "low": "x", "high": 1},
        {"kind": "window", "low": float("nan"), "high": 1},
    ],
)
def test_nonsense_is_refused(data: dict) -> None:
    with pytest.raises(MedVLPError):
        Normalisation.from_json(data)

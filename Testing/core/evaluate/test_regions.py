"""The pointing game by hand, and a map of noise at chance."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.regions import point, summarise_pointing

SHAPE = (6, 5, 4)
BODY = np.ones(SHAPE, bool)
BODY[0] = False


def region(*corner: int, size: int = 2) -> np.ndarray:
    made = np.zeros(SHAPE, bool)
    made[tuple(slice(c, c + size) for c in corner)] = True
    return made


def test_by_hand() -> None:
    here = region(1, 1, 1)
    here[1, 1, 1] = False  # its box still holds that voxel
    similarity = np.zeros(SHAPE)
    similarity[0] = 9  # air is not searched
    similarity[2, 2, 2] = 2
    other = np.zeros(SHAPE)
    other[1, 1, 1] = 1
    row = point("s", "liver", similarity, other, here, BODY)
    assert row is not None
    assert (row.hit, row.hit_box, row.other_hit) == (1, 1, 0)
    assert row.chance == pytest.approx(7 / 100) and row.chance_box == pytest.approx(8 / 100)
    # Of 7 × 93 pairs: the maximum beats all 93, the six others are tied with all.
    assert row.above == pytest.approx((93 + 6 * 93 / 2) / (7 * 93))
    # The other map: one voxel of the rest beats all seven.
    assert row.other_above == pytest.approx((7 * 92 / 2) / (7 * 93))


def test_what_cannot_be_pointed_at() -> None:
    flat = np.zeros(SHAPE)
    assert point("s", "x", flat, flat, np.zeros(SHAPE, bool), BODY) is None
    assert point("s", "x", flat, flat, ~BODY, BODY) is None
    assert point("s", "x", flat, flat, np.ones(SHAPE, bool), BODY) is None
    with pytest.raises(MedVLPError, match="No volume shows"):
        summarise_pointing([])


def test_noise_is_at_chance_and_a_good_map_is_not() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for n in range(150):
        for phrase in ("liver", "spleen"):
            here = region(*rng.integers((1, 0, 0), (5, 4, 3)))
            good = here + 0.1 * rng.random(SHAPE)
            rows.append(point(f"s{n}", phrase, good if phrase == "spleen" else rng.random(SHAPE), good, here, BODY))
    scores, mean = summarise_pointing([row for row in rows if row is not None])
    liver, spleen = scores
    low, high = liver.intervals["hit"] or (1, 0)
    assert low <= liver.means["chance"] <= high and liver.means["above"] == pytest.approx(0.5, abs=0.03)
    assert spleen.means["hit"] == spleen.means["above"] == 1 and liver.n == 150
    assert mean.means["hit"] == pytest.approx((liver.means["hit"] + 1) / 2) and mean.phrase == "mean"
    assert set(mean.to_json()) == {"phrase", "n", "means", "intervals"}

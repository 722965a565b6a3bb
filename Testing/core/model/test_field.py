"""The field score: a lone anchor in the middle of a volume is not believed, one at the edge of a short scan is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.model.field import Anchor, field_score, layout_of, shows_field
from vlp3d_core.volume.grid import Grid

PLACES = {"brainstem": (0.0, 0.0, 60.0), "mandible": (0.0, 70.0, 0.0), "larynx": (0.0, 40.0, -60.0)}
SIZES = {"brainstem": 30.0, "mandible": 60.0, "larynx": 20.0}


def head(shift: tuple[float, float, float] = (0, 0, 0), size: float = 1.0, score: float = 0.8) -> list[Anchor]:
    """A head whose centre lies at `shift`."""
    moved = {name: tuple(a + b for a, b in zip(place, shift, strict=True)) for name, place in PLACES.items()}
    return [Anchor(name, score, size * SIZES[name], place) for name, place in moved.items()]  # type: ignore[arg-type]


def field(volumes: list[list[Anchor]] | None = None) -> dict[str, object]:
    seen = volumes or [head((5, 0, 0)), head((0, 90, -8), 1.2), head((-3, 0, 300), 0.9)]
    return {"anchors": list(PLACES), "anchor_score": 0.5, "layout": layout_of(seen)}


def seeing(low: float, high: float) -> Grid:
    """What is shown from one height to another, 400 mm wide and deep."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-200, -200, low)
    return Grid((100, 100, round((high - low) / 4)), affine)


def test_a_layout_is_what_was_seen() -> None:
    layout = layout_of([head((5, 0, 0)), head((0, 90, -8), 1.2), head((-3, 0, 300), 0.9)])
    assert layout is not None and layout["anchors"]["mandible"]["ml"] == [54, 72]
    centres = {name: np.array(row["centre"]) for name, row in layout["anchors"].items()}
    assert centres["larynx"] - centres["brainstem"] == pytest.approx([0, 40, -120], abs=0.1)
    assert layout["within"] == pytest.approx((72_000) ** (1 / 3), rel=1e-3), "the heads differ in size alone"


def test_too_little_is_no_layout() -> None:
    assert layout_of([]) is None
    assert layout_of([head(), head()]) is None
    known = layout_of([head(), head()[:2], head()[:2]])
    assert known is not None and set(known["anchors"]) == {"brainstem", "mandible"}


def test_a_head_is_believed_and_a_lone_organ_is_not() -> None:
    assert field_score(field(), head(), seeing(-150, 150)) == pytest.approx(0.8)
    lone = head()[2:]
    assert field_score(field(), lone, seeing(-150, 150)) == pytest.approx(0.8 / 2), "two more should be there"
    assert field_score(field(), lone, seeing(-100, -20)) == pytest.approx(0.8), "a scan of the larynx alone"
    assert field_score(field(), [], seeing(-150, 150)) == 0


def test_company_in_a_wrong_place_is_none() -> None:
    far = [head()[0], head((0, 150, 0))[1], head((0, -170, 0))[2]]
    assert field_score(field(), far, seeing(-150, 150)) == pytest.approx(0.8 / 2)


@pytest.mark.parametrize(("size", "factor"), [(0.5, 1.0), (0.225, 0.5), (2.0, 1.0), (4.8, 0.5)])
def test_an_implausible_size_counts_less(size: float, factor: float) -> None:
    assert field_score(field(), head(size=size), seeing(-150, 150)) == pytest.approx(0.8 * factor, rel=1e-3)


def test_of_a_thin_slab_a_part_of_an_anchor_is_enough() -> None:
    """The smallest mandible fills a cube of 38 mm; a slab of 4 mm shows about a tenth of it."""
    part = [Anchor("mandible", 0.8, 6.0, PLACES["mandible"])]
    assert field_score(field(), part, seeing(0, 4)) == pytest.approx(0.8)
    assert field_score(field(), part, seeing(-50, 50)) < 0.8 / 2


def test_without_a_layout_the_best_anchor_counts() -> None:
    found = [Anchor("larynx", 0.6, 1, (0, 0, 0)), Anchor("mandible", 0.7, 1, (0, 0, 0))]
    assert field_score({"anchors": list(PLACES)}, found, seeing(-9, 9)) == 0.7


def test_the_limit() -> None:
    assert shows_field({"anchors": []}, 0) and not shows_field({"anchors": ["larynx"]}, 0)
    assert shows_field(field(), 0.5) and not shows_field(field(), 0.49)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(3)), st.tuples(*[st.floats(-1000, 1000)] * 3), st.floats(0.5, 1))
def test_order_and_place_in_the_scanner_do_not_matter(
    order: list[int], shift: tuple[float, float, float], score: float
) -> None:
    found = [head(shift, score=score)[n] for n in order]
    grid = seeing(-150, 150)
    moved = grid.affine.copy()
    moved[:3, 3] += shift
    assert field_score(field(), found, Grid(grid.shape, moved)) == pytest.approx(score)

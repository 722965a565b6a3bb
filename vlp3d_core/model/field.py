"""Whether a volume shows what a model was trained on, told from its anchors: how probable they are, how large, and
whether around them lies what must lie there.

What a network takes for a parotid gland in an abdomen can be as probable and as large as a parotid gland; but where
the mandible should be there is none. An anchor that should lie outside the field of view says nothing: a scan of the
larynx alone is one of the neck. Distances of the encoder's features were tried instead, see docs/results.md: they know
the length of a scan better than what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.volume.grid import Grid

ENOUGH = 3
"""Volumes that must show an anchor before its size and place are known."""
SLACK = 2.0
"""Half the smallest and twice the largest volume that was seen are plausible."""


@dataclass(frozen=True)
class Anchor:
    """An anchor that was found.

    Attributes:
        score: mean calibrated probability over its voxels.
        centre: of mass, in RAS mm.
    """

    name: str
    score: float
    ml: float
    centre: tuple[float, float, float]


def field_score(field: Mapping[str, Any], found: Sequence[Anchor], grid: Grid) -> float:
    """0 to 1: the best anchor's probability, less where its size or what lies around it are not those of the layout.

    Args:
        field: of the model's card.
        found: its anchors in a volume.
        grid: what the volume shows.
    """
    layout = field.get("layout")
    if layout is None:
        return max((one.score for one in found), default=0.0)
    return max(
        (one.score * _size(layout, one, grid) * _company(layout, one, found, grid) for one in found), default=0.0
    )


def shows_field(field: Mapping[str, Any], score: float) -> bool:
    """Whether that is enough; a model without anchors takes everything."""
    return not field["anchors"] or (score > 0 and score >= field.get("anchor_score", 0.0))


def _size(layout: Mapping[str, Any], one: Anchor, grid: Grid) -> float:
    """1 for a plausible volume, less for a smaller or larger one; a slab thinner than the anchor shows a part of it."""
    known = layout["anchors"].get(one.name)
    if known is None:
        return 1.0
    low, high = known["ml"]
    edge = (1000 * low) ** (1 / 3)
    part = float(np.minimum(1.0, np.diff(np.reshape(grid.bounds, (3, 2)))[:, 0] / edge).prod())
    return min(1.0, SLACK * one.ml / (low * part), SLACK * high / one.ml)


def _company(layout: Mapping[str, Any], one: Anchor, found: Sequence[Anchor], grid: Grid) -> float:
    """1 where half of the anchors that the volume should show around this one are there, less where fewer are."""
    known, centres = layout["anchors"], {other.name: np.array(other.centre) for other in found}
    if one.name not in known:
        return 1.0
    expected = here = 0
    for name in set(known) - {one.name}:
        place = np.array(one.centre) + known[name]["centre"] - known[one.name]["centre"]
        if _inside(grid, place):
            expected += 1
            here += name in centres and float(np.linalg.norm(centres[name] - place)) <= layout["within"]
    return min(1.0, (here + 1) / (expected / 2 + 1))


def _inside(grid: Grid, place: NDArray[np.float64]) -> bool:
    low, high = np.reshape(grid.bounds, (3, 2)).T
    return bool((place >= low).all() and (place <= high).all())


def layout_of(volumes: Sequence[Sequence[Anchor]]) -> dict[str, Any] | None:
    """Sizes and places of the anchors in volumes that show the field, for the card; None where too little is known.

    Returns:
        "anchors": name → smallest and largest volume ("ml") and place in a common frame ("centre", RAS mm); "within":
        how far (mm) an anchor may be from where another one lets expect it, half as far again as was seen, and the
        edge of a cube as large as the largest anchor, because at the end of a scan a part of one is seen.
    """
    by_name = [{one.name: one for one in found} for found in volumes]
    names = [n for n in dict.fromkeys(n for row in by_name for n in row) if sum(n in row for row in by_name) >= ENOUGH]
    seen = [{name: row[name] for name in names if name in row} for row in by_name]
    if not names:
        return None
    centres = np.array([[row[n].centre if n in row else (np.nan,) * 3 for n in names] for row in seen])
    apart = centres[:, None] - centres[:, :, None]  # (volumes, from, to, 3)
    together = np.isfinite(apart[..., 0]).any(0)
    mean = np.where(together[..., None], np.nansum(apart, 0) / np.maximum(np.isfinite(apart).sum(0), 1), 0.0)
    places = mean.sum(0) / np.maximum(together.sum(0), 1)[:, None]
    off = np.linalg.norm(apart - (places[None] - places[:, None]), axis=-1)
    sizes = {name: [row[name].ml for row in seen if name in row] for name in names}
    within = 1.5 * float(np.nanmax(off)) + (1000 * max(map(max, sizes.values()))) ** (1 / 3)
    anchors = {
        name: {"ml": [_short(min(sizes[name])), _short(max(sizes[name]))], "centre": [_short(v) for v in place]}
        for name, place in zip(names, places.tolist(), strict=True)
    }
    return {"within": _short(within), "anchors": anchors}


def extent_of(grids: Sequence[Grid]) -> dict[str, list[float]]:
    """How far volumes of the field reach along R, A and S, in mm, for the card: "least" and "most" of those seen."""
    reach = np.array([np.diff(np.reshape(grid.bounds, (3, 2)))[:, 0] for grid in grids])
    return {
        "least": [_short(v) for v in reach.min(0).tolist()],
        "most": [_short(v) for v in reach.max(0).tolist()],
    }


def _short(value: float) -> float:
    """Four digits; millimetres may be nanometres."""
    return float(f"{value:.4g}")

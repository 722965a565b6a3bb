"""Hits and medians over pairs of patients."""

from __future__ import annotations

import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.alike import Shown, summarise_alike


def test_by_structure_and_together() -> None:
    shown = [Shown(s, "liver", s != "c", iou, 0.9) for s, iou in (("a", 0.8), ("b", 0.6), ("c", 0.0))]
    shown.append(Shown("a", "spleen", True, 0.5, 0.7))
    spleen, liver, both = summarise_alike(shown, ("spleen", "liver", "kidney_left"))
    assert (liver.structure, liver.pairs, liver.iou, liver.named) == ("liver", 3, 0.6, 0.9)
    assert liver.hit == pytest.approx(2 / 3) and liver.hit95 == (0, 1)
    assert (spleen.structure, spleen.hit, spleen.iou) == ("spleen", 1, 0.5)
    assert (both.structure, both.pairs, both.hit, both.named) == ("all", 4, 0.75, 0.9)
    with pytest.raises(MedVLPError, match="contoured in two"):
        summarise_alike([], ("liver",))

"""Whether a volume shows the model's region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny import tiny_card
from vlp3d_core.model.bundle import Bundle
from vlp3d_core.predict.answer import in_field


@pytest.mark.parametrize(
    ("anchors", "found", "certainty", "expected"),
    [
        (["skull", "brainstem"], "skull", 0.95, True),
        (["skull", "brainstem"], "skull", 0.80, False),
        (["skull", "brainstem"], "mandible", 0.95, False),
        ([], "mandible", 0.10, True),
    ],
)
def test_an_anchor_counts_when_it_is_certain(anchors: list[str], found: str, certainty: float, expected: bool) -> None:
    bundle = Bundle(Path("ct-tiny"), tiny_card(field={"anchors": anchors, "anchor_score": 0.9}))
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1:3] = 1 + bundle.concepts.index(found)
    assert in_field(labels, np.full(labels.shape, round(255 * certainty), np.uint8), bundle) is expected

"""CT phantoms and studies stay what they were, so that old results can be made again.

Counts and means instead of hashes of voxels: another processor may round a voxel at a border to the other side.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from vlp3d_core.phantom import make_phantom, make_study


@pytest.mark.parametrize(
    ("seed", "region", "labelled", "mean"),
    [(0, "trunk", 16626, -607.173), (1, "head-neck", 4602, -881.33), (3, "trunk", 12899, -649.048)],
)
def test_phantoms(seed: int, region: str, labelled: int, mean: float) -> None:
    made = make_phantom(seed, region, (9.0, 9.0, 9.0))
    assert abs(np.count_nonzero(made.labels) - labelled) <= 3
    assert made.volume.array.mean() == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize(
    ("seed", "marked", "mean", "report"),
    [
        (2, 27, -580.664, "aec085410625"),
        (5, 14, -573.214, "7890e738339b"),
        (8, 24, -654.205, "c3764b7ddad6"),
        (11, 845, -523.063, "4ecb263c7a4f"),
    ],
)
def test_studies(seed: int, marked: int, mean: float, report: str) -> None:
    made = make_study(seed, (8.0, 8.0, 8.0))
    assert abs(np.count_nonzero(made.marks) - marked) <= 3
    assert made.phantom.volume.array.mean() == pytest.approx(mean, abs=0.02)
    assert hashlib.sha256(made.report.encode()).hexdigest()[:12] == report

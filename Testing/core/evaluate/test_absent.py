"""A volume is cut so that it does not show a structure any more, whichever way its slices run."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.evaluate.absent import MARGIN, without
from vlp3d_core.volume import Volume
from vlp3d_core.volume.grid import Grid


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_larger_part_is_left(order: tuple[int, int, int], sign: float) -> None:
    affine = np.diag([4.0, 4.0, sign * 5.0, 1.0])
    affine[2, 3] = 0.0 if sign > 0 else 195.0
    affine = affine[:, [*order, 3]]
    shape = np.array([10, 10, 40])[list(order)]
    height = np.arange(40) * 5.0 if sign > 0 else 195 - np.arange(40) * 5.0
    array = np.broadcast_to(height[:, None, None] if order[0] == 2 else height, shape).astype(np.float32)
    mask = np.zeros((10, 10, 40), bool)
    mask[4, 4, 10:13] = True  # 50 to 60 mm above the lowest slice
    grid = Grid((10, 10, 40), np.diag([4.0, 4.0, 5.0, 1.0]))
    part = without(Volume(array, affine, "CT"), grid, mask)
    assert part is not None and part.array.min() == 80 and part.array.max() == 195, "each voxel holds its own height"
    first = part.affine @ [0, 0, 0, 1]
    assert first[2] == part.array[0, 0, 0] and first[2] - 60 > MARGIN


def test_too_little_is_left() -> None:
    grid = Grid((4, 4, 20), np.diag([4.0, 4.0, 5.0, 1.0]))
    mask = np.zeros(grid.shape, bool)
    mask[0, 0, 8:12] = True
    assert without(Volume(np.zeros(grid.shape, np.float32), grid.affine, "CT"), grid, mask) is None

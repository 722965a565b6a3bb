"""Patches of arrays, filled where they reach beyond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cut(array: Any, centre: NDArray[np.intp], size: Sequence[int], fill: float) -> NDArray[Any]:
    """A patch of `size` around `centre`, filled where it reaches beyond the array.

    Args:
        array: numpy's, or one on disk that gives numpy arrays where it is indexed; only the patch is read.
    """
    out = np.full(tuple(size), fill, dtype=array.dtype)
    first = np.asarray(centre) - np.asarray(size) // 2
    source = tuple(slice(max(f, 0), min(f + s, n)) for f, s, n in zip(first, size, array.shape, strict=True))
    target = tuple(slice(r.start - f, r.stop - f) for r, f in zip(source, first, strict=True))
    if all(r.stop > r.start for r in source):
        out[target] = array[source]
    return out

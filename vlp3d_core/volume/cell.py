"""A cell of 2×2×2 neighbours: its corners, their trilinear weights, and polynomials in a place within it."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

CORNERS = tuple(product((0, 1), repeat=3))


def corner_weights(weights: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Of each corner, for places that lie (x, y, z) parts of the way to the upper neighbours."""
    return [
        np.prod([w if bit else 1 - w for w, bit in zip(weights, c, strict=True)], axis=0, dtype=np.float32)
        for c in CORNERS
    ]


def _corner_coefficients() -> NDArray[np.float32]:
    """Per pattern the polynomial (1, x, y, xy, z, xz, yz, xyz) of the weight of its set corners, shape (8, 256)."""
    table = np.zeros((8, 256), dtype=np.float32)
    for pattern in range(256):
        for bit, corner in enumerate(CORNERS):
            if pattern >> bit & 1:
                for powers in product((0, 1), repeat=3):
                    if all(p or not c for p, c in zip(powers, corner, strict=True)):
                        sign = (-1) ** sum(p and not c for p, c in zip(powers, corner, strict=True))
                        table[powers[0] + 2 * powers[1] + 4 * powers[2], pattern] += sign
    return table


COEFFICIENTS = _corner_coefficients()


def value(terms: list[NDArray[np.float32]], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The value of polynomials with the coefficients `terms` (1, x, y, xy, z, xz, yz, xyz)."""
    x, y, z = weights
    for fraction in (x, y, z):
        terms = [low + high * fraction for low, high in zip(terms[::2], terms[1::2], strict=True)]
    share: NDArray[np.float32] = terms[0]
    return share

"""Intensities as a model wants them: float32 between -1 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError

SAMPLE = 2_000_000
"""Percentiles are taken from about this many voxels, evenly spread: enough for four digits, at a fixed cost."""


@dataclass(frozen=True)
class Normalisation:
    """How raw values become network input.

    Attributes:
        kind: "window" maps [low, high] (HU for CT) to [-1, 1]; "percentile" does so with the percentiles low and
            high of the voxels above background (MR, EM, PET), where background is the volume's smallest value.
        low, high: HU, or percent between 0 and 100.
    """

    kind: Literal["window", "percentile"]
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.kind not in ("window", "percentile"):
            raise MedVLPError(f"'{self.kind}' is not a kind of normalisation.", "Use 'window' or 'percentile'.")
        inside = self.kind == "window" or (self.low >= 0 and self.high <= 100)
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high and inside):
            raise MedVLPError(
                f"The {self.kind} from {self.low} to {self.high} is not a range.",
                "Give low < high, percentiles between 0 and 100.",
            )

    @property
    def fill(self) -> float:
        """The raw value that means "nothing here": voxels outside the field of view get it."""
        return self.low if self.kind == "window" else 0.0

    def apply(self, array: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Scale values to [-1, 1]; those beyond the range are clipped.

        An image in which nothing differs from its background comes back as -1 everywhere (kind "percentile").

        Args:
            array: raw values, any shape; not changed.

        Returns:
            float32, same shape and memory layout.
        """
        low, high = self.limits(array)
        out = np.array(array, dtype=np.float32, order="K")
        if not high > low:
            out.fill(-1.0)
            return out
        np.clip(out, low, high, out=out)
        out -= np.float32(low)
        out *= np.float32(2.0 / (high - low))
        out -= np.float32(1.0)
        return np.clip(out, -1.0, 1.0, out=out)

    def limits(self, array: NDArray[np.floating[Any]]) -> tuple[float, float]:
        """The raw values that become -1 and 1 in this image; equal where nothing differs from its background."""
        return (self.low, self.high) if self.kind == "window" else self._percentiles(array)

    def _percentiles(self, array: NDArray[np.floating[Any]]) -> tuple[float, float]:
        step = max(1, round((array.size / SAMPLE) ** (1 / max(array.ndim, 1))))
        sample = array[tuple(slice(None, None, step) for _ in range(array.ndim))]
        foreground = sample[sample > array.min()]
        if foreground.size == 0:
            return 0.0, 0.0
        low, high = np.percentile(foreground, [self.low, self.high])
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """As a bundle keeps it."""
        return {"kind": self.kind, "low": self.low, "high": self.high}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Normalisation:
        """The inverse of `to_json`.

        Raises:
            MedVLPError: a key is missing or a value makes no sense.
        """
        try:
            return Normalisation(data["kind"], float(data["low"]), float(data["high"]))
        except (KeyError, TypeError, ValueError) as error:
            raise MedVLPError(
                f"The normalisation {dict(data)} cannot be read.", "It needs 'kind', 'low' and 'high'."
            ) from error

"""How a painted patient is shown: which scanner, which contrast, and what value a tissue has in it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom.appearance import CTLook
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.mr import CONTRASTS, MRLook
from vlp3d_core.phantom.patient import Patient


class Look(Protocol):
    """One scan of a patient: made for it, rendered once, then drawn into."""

    modality: str
    contrast: str
    spacing: tuple[float, float, float]

    def render(self, canvas: Canvas, outside: NDArray[np.float32], masked: bool) -> NDArray[np.float32]:
        """Values of a painted canvas, shape (I, J, K).

        Args:
            outside: distance to the skin in mm, positive outside.
            masked: whether what lies outside the skin is blanked, where the modality has that.
        """
        ...

    def knows(self, tissue: str) -> bool:
        """Whether a lesion of this tissue has a value."""
        ...

    def blend(
        self, array: NDArray[np.float32], cover: NDArray[np.float32], tissue: str, grain: NDArray[np.float32],
        rng: Generator,
    ) -> bool:  # fmt: skip
        """Give voxels of `array` a tissue's value as far as they are covered (0 to 1); False: it would not show.

        Args:
            grain: noise of mean 0 on the grid.
            rng: for what the scanner adds.
        """
        ...


def make_look(patient: Patient, spacing: tuple[float, float, float], modality: str = "CT", contrast: str = "") -> Look:
    """The scan of a patient. An MR without a named contrast has one that the seed draws.

    Raises:
        UsageError: no such modality or contrast.
    """
    if modality not in ("CT", "MR"):
        raise UsageError(f"There is no phantom with the modality {modality!r}.", "Choose CT or MR; `make_em` makes EM.")
    known = CONTRASTS if modality == "MR" else ()
    if contrast and contrast not in known:
        remedy = f"Choose one of {', '.join(known)}." if known else "Leave out the contrast; MR has some."
        raise UsageError(f"A {modality} phantom has no contrast {contrast!r}.", remedy)
    if modality == "CT":
        return CTLook(patient, spacing)
    return MRLook(patient, spacing, contrast or str(patient.stream("mr contrast").choice(CONTRASTS)))

"""CT appearance: materials to Hounsfield units. Tissue values of this patient, grain, partial volume, noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.patient import Patient
from vlp3d_core.phantom.shapes import Floats

GRAINS = (4.0, 7.0)
BUNDLE = 13.0


class CTLook:
    """One CT of one patient."""

    modality = "CT"
    contrast = ""

    def __init__(self, patient: Patient, spacing: tuple[float, float, float]) -> None:
        self.patient, self.spacing = patient, spacing

    def knows(self, tissue: str) -> bool:
        return tissue in table("materials")["lesions"]

    def render(self, canvas: Canvas, outside: Floats, masked: bool) -> Floats:
        array = hounsfield(canvas, table("materials")["materials"], self.patient, self.spacing)
        if masked:
            array[outside > 4.0] = -1024.0
        return array

    def blend(self, array: Floats, cover: Floats, tissue: str, grain: Floats, rng: Generator) -> bool:
        row = table("materials")["lesions"][tissue]
        hu = row["hu"] + row.get("enhances", 0) * self.patient.contrast
        array += cover * (np.float32(hu) + 12 * grain - array)
        np.clip(np.round(array), -1024, 3071, out=array)
        return True


def hounsfield(
    canvas: Canvas, table: dict[str, Any], patient: Patient, spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    """CT values of a painted canvas in HU, −1024 to 3071, whole numbers, shape (I, J, K).

    Args:
        table: the "materials" of materials.json, in the order of the canvas's values.
        spacing: voxel size in mm; the grain is defined in mm, the noise in voxels as in a scanner.
    """
    rng = patient.stream("appearance")
    rows = list(table.values())
    draws = rng.normal(size=len(rows))
    enhancement = patient.contrast

    def column(key: str, default: float = 0.0) -> Floats:
        return np.array([row.get(key, default) for row in rows], np.float32)

    plain = column("hu")
    full = np.array([row.get("enhanced", row["hu"]) for row in rows], np.float32)
    value = plain + enhancement * (full - plain) + column("spread") * np.clip(draws, -2, 2).astype(np.float32)
    grains = [correlated(rng, canvas.labels.shape, [g / 2 / s for s in spacing]) for g in GRAINS]
    which = (column("grain", GRAINS[0]) > 5.5)[canvas.material]
    field = np.where(which, grains[1], grains[0])
    image = value[canvas.material]
    _rims(image, canvas, rows)
    image += column("texture")[canvas.material] * field
    bundles = correlated(rng, image.shape, [BUNDLE / 2 / s for s in spacing])
    _marble(image, canvas, field, bundles, rows)
    blurred: NDArray[np.float32] = gaussian_filter(image, 0.45, mode="nearest")
    blurred += correlated(rng, image.shape, [0.6, 0.6, 0.35]) * np.float32(rng.uniform(5, 16))
    return np.clip(np.round(blurred), -1024, 3071).astype(np.float32)


def _rims(image: Floats, canvas: Canvas, rows: list[dict[str, Any]]) -> None:
    """Cortex: the outer millimetres of a bone are denser than its inside."""
    for index, row in enumerate(rows):
        if "shell" in row:
            here = canvas.material == index
            part = np.exp(-((canvas.depth[here] / np.float32(row["rim"])) ** 2))
            image[here] += (np.float32(row["shell"]) - image[here]) * part


def _marble(image: Floats, canvas: Canvas, fine: Floats, bundles: Floats, rows: list[dict[str, Any]]) -> None:
    """Fat between muscle fibres, and vessels and dependent density in the lungs (the patient lies on the back)."""
    names = canvas.materials
    muscle = canvas.material == names["muscle"]
    image[muscle] -= 90 * np.exp(-((bundles[muscle] / np.float32(0.2)) ** 2))
    lung = canvas.material == names["lung"]
    vessels = np.float32(rows[names["lung"]]["vessels"])
    image[lung] += vessels * np.clip(fine[lung] - 1.6, 0, 1.5) - 0.35 * canvas.coords[1][lung]


def correlated(rng: Generator, shape: tuple[int, ...], sigma: list[float]) -> Floats:
    """Correlated noise of mean 0 and standard deviation 1; sigma of the correlation in voxels."""
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    scaled: Floats = (noise / max(float(noise.std()), 1e-6)).astype(np.float32)
    return scaled

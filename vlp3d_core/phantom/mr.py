"""MR appearance: a spin-echo signal of every tissue, a bias field, a scanner's own scale, Rician noise."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from vlp3d_core.phantom.appearance import BUNDLE, GRAINS, correlated
from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.canvas import Canvas
from vlp3d_core.phantom.patient import Patient
from vlp3d_core.phantom.shapes import Floats

CONTRASTS = ("T1", "T2", "PD", "T1C")
"""T1-, T2- and proton-density-weighted; T1-weighted with contrast medium and fat saturation."""

SPREAD = 0.04
"""Standard deviation of T1, T2 and proton density between patients, as a part of the value."""
SHOWN = 0.06
"""Difference, as a part of white, below which a reader sees no lesion."""


class MRLook:
    """One MR of one patient.

    Args:
        contrast: one of `CONTRASTS`.

    The signal of a tissue is a mix of water and fat, each PD · (1 − exp(−TR/T1)) · exp(−TE/T2) (spin echo; Hahn 1950);
    contrast medium adds gd · dose to 1/T1. TR and TE are drawn within the contrast's range.
    """

    modality = "MR"

    def __init__(self, patient: Patient, spacing: tuple[float, float, float], contrast: str) -> None:
        self.contrast, self.patient, self.spacing = contrast, patient, spacing
        self._rng = patient.stream("mr " + contrast)
        self._row: dict[str, Any] = table("mr")["contrasts"][contrast]
        self.tr, self.te = (float(self._rng.uniform(*self._row[key])) for key in ("tr", "te"))
        self._dose = float(self._rng.uniform(*self._row["gd"]))
        self._white = 1.0
        """Scanner units of a signal of 1, about."""
        self._noise = 0.0
        self._field = np.ones((1, 1, 1), np.float32)

    def knows(self, tissue: str) -> bool:
        return tissue in table("mr")["tissues"]

    def signal(self, tissue: str) -> float:
        """Signal of a tissue of this patient, 0 to 1, without scale, bias and noise."""
        mr = table("mr")
        row = mr[tissue] if tissue == "cortex" else mr["tissues"][tissue]
        own = np.random.default_rng([self.patient.seed, zlib.crc32(f"mr tissue {tissue}".encode())])
        t1, t2, pd = (row[k] * (1 + SPREAD * float(np.clip(own.normal(), -2, 2))) for k in ("t1", "t2", "pd"))
        t1 = 1000 / (1000 / t1 + row.get("gd", 0) * self._dose)
        fat = mr["fat"]
        part = row.get("fat", 0)
        watery = self._echo(t1, t2, pd) * (self._row["flow"] if row.get("flow") else 1)
        return float((1 - part) * watery + part * self._row["fat"] * self._echo(fat["t1"], fat["t2"], fat["pd"]))

    def _echo(self, t1: float, t2: float, pd: float) -> float:
        return float(pd * (1 - np.exp(-self.tr / t1)) * np.exp(-self.te / t2))

    def render(self, canvas: Canvas, outside: Floats, masked: bool) -> Floats:
        """Whole numbers from 0, in a scale of their own; the air around the body is noise, and nothing is blanked."""
        rng, mr = self._rng, table("mr")
        materials = table("materials")["materials"]
        rows = [mr["tissues"][name] for name in materials]
        value = np.array([self.signal(name) for name in materials], np.float32)
        image = value[canvas.material]
        for index, (name, row) in enumerate(zip(materials, rows, strict=True)):
            if "shell" in row:
                here = canvas.material == index
                part = np.exp(-((canvas.depth[here] / np.float32(materials[name]["rim"])) ** 2))
                image[here] += (np.float32(self.signal(row["shell"])) - image[here]) * part
        fine, coarse = (correlated(rng, image.shape, [g / 2 / s for s in self.spacing]) for g in GRAINS)
        texture = np.array([row.get("texture", 0.03) for row in rows], np.float32)[canvas.material]
        image *= np.maximum(1 + texture * (0.6 * fine + 0.8 * coarse), 0)
        self._marble(image, canvas, fine)
        image = gaussian_filter(image, 0.45, mode="nearest")
        self._field = _bias(rng, image.shape)
        body = image[outside < 0]
        bright = float(np.percentile(body, 98)) if body.size else 1.0
        self._white = float(np.exp(rng.uniform(np.log(200), np.log(2500)))) / max(bright, 1e-3)
        self._noise = self._white * bright / float(rng.uniform(25, 60))
        return self._scanned(image, rng)

    def _marble(self, image: Floats, canvas: Canvas, fine: Floats) -> None:
        """Fat between muscle fibres; vessels in the lungs, which show where blood is bright."""
        bundles = correlated(self._rng, image.shape, [BUNDLE / 2 / s for s in self.spacing])
        muscle = canvas.material == canvas.materials["muscle"]
        streak = 0.7 * np.exp(-((bundles[muscle] / np.float32(0.2)) ** 2))
        image[muscle] += streak * (np.float32(self.signal("fat")) - image[muscle])
        lung = canvas.material == canvas.materials["lung"]
        image[lung] += 0.5 * np.float32(self.signal("blood")) * np.clip(fine[lung] - 1.6, 0, 1.5)

    def _scanned(self, signal: Floats, rng: Generator) -> Floats:
        """Scale, bias field and the magnitude of complex noise (Rician; Gudbjartsson and Patz 1995)."""
        clean = signal * self._field * np.float32(self._white)
        noise = [np.float32(self._noise) * rng.standard_normal(signal.shape, dtype=np.float32) for _ in range(2)]
        scanned: NDArray[np.float32] = np.round(np.hypot(clean + noise[0], noise[1])).astype(np.float32)
        return scanned

    def blend(self, array: Floats, cover: Floats, tissue: str, grain: Floats, rng: Generator) -> bool:
        value = self.signal(tissue)
        within = cover >= 0.5
        before = float(np.median((array / self._field)[within])) / self._white
        bright = self._noise / self._white
        if abs(value - before) < max(SHOWN * self._bright(), 2 * bright):
            return False
        lesion = self._scanned(np.float32(value) * np.maximum(1 + np.float32(0.04) * grain, 0), rng)
        array += cover * (lesion - array)
        np.round(array, out=array)
        return True

    def _bright(self) -> float:
        """Signal of the brightest common tissue."""
        return max(self.signal(name) for name in ("fat", "urine", "muscle", "blood"))


def _bias(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """A smooth factor about 1: what the coils' sensitivity does."""
    total = np.zeros((1, 1, 1), np.float32)
    for axis, size in enumerate(shape):
        at = np.linspace(-1, 1, size, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        slope, curve = rng.normal(0, 0.08), rng.uniform(-0.2, 0.05)
        total = total + np.float32(slope) * at + np.float32(curve) * at * at
    field: Floats = np.exp(total).astype(np.float32)
    return field

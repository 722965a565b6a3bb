"""The body's outline: skin, fat and unnamed muscle, and the couch it lies on."""

from __future__ import annotations

import numpy as np

from vlp3d_core.phantom.atlas import shapes_of, table
from vlp3d_core.phantom.canvas import Canvas, Part
from vlp3d_core.phantom.patient import Patient
from vlp3d_core.phantom.shapes import Floats

WHOLE = (slice(None), slice(None), slice(None))


def paint_body(canvas: Canvas, patient: Patient, region: str) -> Floats:
    """Paint couch, skin, fat and muscle; returns the distance to the skin in mm, positive outside, shape (I, J, K)."""
    outline = table("outline")
    arms = outline["arms_up" if region == "trunk" else "arms_down"]
    shapes = shapes_of(outline["muscle"], patient)
    for mirror in (False, True):
        shapes += shapes_of({"shapes": outline["mirrored"] + arms, "mirror": mirror}, patient)
    thickest = max(t for _, t in outline["fat"]) * patient.fat + outline["skin"] + 30
    found = canvas.union(shapes, thickest, outline["muscle"]["blend"])
    if found is None:
        return np.full(canvas.labels.shape, 1e3, np.float32)
    box, muscle = found
    levels, thickness = np.array(outline["fat"], float).T
    _, y, z = (c[box] for c in canvas.coords)
    fat = np.interp(z, levels, thickness).astype(np.float32) * np.float32(patient.fat)
    # Fat lies thicker in front and at the flanks of the abdomen than over the back.
    fat *= 1 + np.float32(0.35) * np.clip(y / 90, -0.6, 1) * (z < 60)
    skin = muscle - fat - np.float32(outline["skin"])
    if patient.female:
        breasts = [s for m in (False, True) for s in shapes_of({"shapes": outline["breast"], "mirror": m}, patient)]
        added = canvas.union(breasts, 8, 0)
        if added is not None:
            bump = np.full(canvas.labels.shape, 1e3, np.float32)
            bump[added[0]] = added[1] - np.float32(3 + 8 * patient.fat)
            skin = np.minimum(skin, bump[box])
    outside = np.full(canvas.labels.shape, 1e3, np.float32)
    outside[box] = skin
    _couch(canvas, region)
    for name, distance in (("skin", skin), ("fat", skin + np.float32(outline["skin"])), ("muscle", muscle)):
        canvas.fill(Part(name, "", name, ()), box, distance < 0, distance)
    return outside


def _couch(canvas: Canvas, region: str) -> None:
    """A curved couch below the back; a radiotherapy planning CT is masked to the body and shows none."""
    if region != "trunk":
        return
    x, y, _ = canvas.coords
    height = (y - (x / 210) ** 2 * 60 + 168).astype(np.float32)
    canvas.fill(Part("couch", "", "couch", ()), WHOLE, (np.abs(height) < 4) & (np.abs(x) < 215), height)

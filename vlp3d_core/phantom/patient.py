"""One made-up patient: what a seed decides (sex, build, pose, contrast), and where the body lies in the scanner."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vlp3d_core.phantom.shapes import Floats, Vector, rotation

NECK_PIVOT = np.array([0.0, -15.0, 415.0])


@dataclass(frozen=True)
class Patient:
    """Everything that is true for the whole body.

    Attributes:
        seed: the number that decides all; every part draws from its own stream of it.
        female: sex.
        fat: thickness of fat relative to an average adult, about 0.4 to 2.
        contrast: 0 for a scan without contrast medium, up to 1 for full enhancement.
        scale: size along x, y, z relative to the atlas.
        turn: pose of the body in the scanner, rotation matrix.
        head: pose of the head relative to the body, rotation matrix.
        waves: bends of the whole body, rows (kx, ky, kz in 1/mm, phase, dx, dy, dz in mm).
    """

    seed: int
    female: bool
    fat: float
    contrast: float
    scale: Vector
    turn: Vector
    head: Vector
    waves: Vector

    def stream(self, name: str) -> Generator:
        """Random numbers of one part: adding a part to the atlas changes no other part."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def to_body(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Body (atlas) coordinates of scanner coordinates, both in mm about the atlas origin; the arrays broadcast."""
        back = (self.turn.T / self.scale[:, None]).astype(np.float32)
        px, py, pz = (x * back[r, 0] + y * back[r, 1] + z * back[r, 2] for r in range(3))
        shift = [np.zeros(px.shape, np.float32) for _ in range(3)]
        for kx, ky, kz, phase, *reach in self.waves.astype(np.float32):
            wave = np.sin(px * kx + py * ky + pz * kz + phase)
            for axis in range(3):
                shift[axis] += wave * reach[axis]
        px, py, pz = px + shift[0], py + shift[1], pz + shift[2]
        return self._nod(px, py, pz)

    def _nod(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Undo the head's pose: fully above the neck, not at all below it, smoothly in between."""
        part = np.clip((z - 320) / 110, 0, 1)
        part = part * part * (3 - 2 * part)
        dx, dy, dz = x - np.float32(NECK_PIVOT[0]), y - np.float32(NECK_PIVOT[1]), z - np.float32(NECK_PIVOT[2])
        change = (self.head.T - np.eye(3)).astype(np.float32)
        moved = [part * (dx * change[r, 0] + dy * change[r, 1] + dz * change[r, 2]) for r in range(3)]
        return x + moved[0], y + moved[1], z + moved[2]


def make_patient(seed: int) -> Patient:
    """Draw an adult: sizes spread by about 5 %, poses by a few degrees (who was told to lie straight)."""
    rng = np.random.default_rng([seed, 0])
    female = bool(rng.random() < 0.5)
    fat = float(np.clip(rng.lognormal(0, 0.4), 0.4, 2.2))
    contrast = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.5, 1.0))
    scale = np.clip(rng.normal(0.96 if female else 1.02, 0.035) * rng.normal(1, 0.025, 3), 0.86, 1.14)
    turn = rotation(np.clip(rng.normal(0, [1.5, 1.5, 3]), -7, 7))
    head = rotation(np.clip(rng.normal(0, [5, 2, 3]), -10, 10))
    count = 4
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    number = 2 * np.pi / rng.uniform(160, 420, (count, 1))
    waves = np.concatenate(
        [direction * number, rng.uniform(0, 2 * np.pi, (count, 1)), rng.normal(0, 1.6, (count, 3))], axis=1
    )
    return Patient(seed, female, fat, contrast, scale, turn, head, waves)

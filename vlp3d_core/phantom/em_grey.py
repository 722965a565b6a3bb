"""EM appearance: cytoplasm of each cell, membranes, organelles; then blur, noise and contrast of the microscope."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from vlp3d_core.phantom.appearance import correlated
from vlp3d_core.phantom.canvas import Box
from vlp3d_core.phantom.em_block import Block, Mask
from vlp3d_core.phantom.em_organelles import Organelles
from vlp3d_core.phantom.shapes import Floats

FINE, NET = 7.0, 15.0
"""Correlation lengths of the cytoplasm's grain and of its net of filaments, nm."""


def greys(
    block: Block, table: dict[str, Any], soma: NDArray[np.int64], organelles: Organelles, sections: bool
) -> NDArray[np.float32]:
    """Grey values 0 to 255, whole numbers, shape of the block.

    Args:
        soma: cells that are cell bodies.
        sections: whether it was cut into sections (ssTEM): each has its own brightness, and no blur runs across.
    """
    rng, grey = block.stream("greys"), table["grey"]
    image = _cytoplasm(block, grey, soma)
    fine, net = (correlated(rng, block.shape, [s / step for step in block.step]) for s in (FINE, NET))
    quiet = block.labels == block.values["extracellular_space"]
    image += np.where(quiet, 0.3, 1.0) * (6 * fine - 24 * np.clip(net - 0.1, 0, 1.7))
    if organelles.nucleus is not None:
        _nucleus(block, grey, organelles.nucleus, image, net)
    for box, mask in organelles.mitochondria:
        _mitochondrion(block, grey, box, mask, image)
    for place in organelles.vesicles:
        _vesicle(block, grey, table["vesicle"]["radius"], place, image)
    _membranes(block, table, organelles, image)
    return _microscope(block, image, sections)


def _cytoplasm(block: Block, grey: dict[str, float], soma: NDArray[np.int64]) -> Floats:
    rng = block.stream("cytoplasm")
    count = int(block.cells.max()) + 1
    value = grey["cytoplasm"] + grey["spread"] * np.clip(rng.normal(size=count), -2, 2)
    value[rng.random(count) < grey["dark_part"]] = grey["dark"]
    value[soma] = grey["soma"]
    value[0] = grey["space"]
    image: Floats = value.astype(np.float32)[block.cells]
    return image


def _nucleus(block: Block, grey: dict[str, float], nucleus: Mask, image: Floats, net: Floats) -> None:
    """Pale, with clumps of chromatin and a dark envelope of two membranes."""
    clumps = gaussian_filter(net, [60 / s for s in block.step], mode="nearest")
    clumps /= max(float(clumps.std()), 1e-6)
    image[nucleus] = (
        grey["nucleus"] + 0.6 * (image[nucleus] - grey["soma"]) - 34 * np.clip(clumps[nucleus] - 0.6, 0, 1.2)
    )
    inside = distance_transform_edt(nucleus, sampling=block.step)
    outside = distance_transform_edt(~nucleus, sampling=block.step)
    far = np.where(nucleus, inside, outside) - 12  # the envelope's two membranes lie about a pale slit
    line = np.exp(-((np.abs(far) / 9) ** 2)).astype(np.float32)
    image += 0.85 * line * (np.float32(grey["membrane"]) - image)


def _mitochondrion(block: Block, grey: dict[str, float], box: Box, mask: Mask, image: Floats) -> None:
    """Dark matrix with pale folded cristae across the long axis, and a darker rim."""
    rng = block.stream(f"cristae {box[0].start} {box[1].start} {box[2].start}")
    padded = np.pad(mask, 1)
    depth = distance_transform_edt(padded, sampling=block.step)[1:-1, 1:-1, 1:-1][mask]
    places = np.argwhere(mask) * block.step
    centred = places - places.mean(axis=0)
    axis = np.linalg.svd(centred[:: max(1, len(centred) // 2000)], full_matrices=False)[2][0]
    tilt = rng.normal(size=3) * 0.6
    wave = 2 * np.pi / rng.uniform(38, 55)
    warp = 1.6 * np.sin(centred @ rng.normal(size=3) / 60 + rng.uniform(0, 6)) + np.sin(
        centred @ rng.normal(size=3) / 35
    )
    folds = np.sin(centred @ (axis + tilt) / np.linalg.norm(axis + tilt) * wave + warp)
    inner = np.clip((depth - 16) / 12, 0, 1)
    value = grey["matrix"] + rng.normal(0, 6) + grey["cristae"] * np.clip(folds, -0.3, 1) * inner
    rim = np.exp(-((depth / 10) ** 2))
    value = value + rim * (grey["outer"] - value)
    image[box][mask] = value + 0.35 * (image[box][mask] - grey["cytoplasm"])


def _vesicle(block: Block, grey: dict[str, float], radius: float, place: NDArray[np.float64], image: Floats) -> None:
    """A dark ring about a pale lumen."""
    box = block.box(place, radius + 10)
    far = block.distance(place, box)
    here = (far < radius + 8) & (block.labels[box] == block.values["vesicle_cloud"])
    ring = np.exp(-(((far - (radius - 4)) / 7) ** 2))
    value = np.where(far < radius - 4, grey["lumen"], image[box])
    value = value + ring * (grey["wall"] - value)
    image[box][here] = value[here]


def _membranes(block: Block, table: dict[str, Any], organelles: Organelles, image: Floats) -> None:
    """Dark lines where cells border on each other, darker at synapses; none where a membrane is torn."""
    grey = table["grey"]
    # In sections a border that runs flat is smeared, as it is cut along its surface.
    thick = min(1.0, 2.5 * table["membrane"] / (2 * block.fine))  # part of the border's two voxels
    line = np.float32(thick) * np.exp(-((block.depth / np.float32(table["membrane"])) ** 2))
    for box, hole in organelles.gaps:
        far = distance_transform_edt(~hole, sampling=block.step)
        line[box] *= np.clip(far / 12, 0, 1)
    image += line * (np.float32(grey["membrane"]) - image)
    for concept, key, soft in (("synapse", "synapse", 0.95), ("postsynaptic_density", "density", 0.8)):
        mask = block.labels == block.values[concept]
        if mask.any():
            edge = gaussian_filter(mask.astype(np.float32), [6 / s for s in block.step])
            image += np.float32(soft) * np.clip(edge * 1.3, 0, 1) * (np.float32(grey[key]) - image)


def _microscope(block: Block, image: Floats, sections: bool) -> NDArray[np.float32]:
    rng = block.stream("microscope")
    blur = [max(4.5 / s, 0.55) for s in block.step]
    if sections:
        blur[2] = 0.0
    image = gaussian_filter(image, blur, mode="nearest")
    gain, level = rng.uniform(0.85, 1.12), rng.normal(0, 7)
    image = (image - 130) * np.float32(gain) + np.float32(130 + level)
    if sections:
        shape = (1, 1, block.shape[2])
        image = image * rng.normal(1, 0.04, shape).astype(np.float32) + rng.normal(0, 5, shape).astype(np.float32)
    image += np.float32(rng.uniform(5.5, 9)) * correlated(rng, block.shape, [0.5, 0.5, 0.0 if sections else 0.4])
    whole: NDArray[np.float32] = np.clip(np.round(image), 0, 255).astype(np.float32)
    return whole

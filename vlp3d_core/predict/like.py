"""Find what looks like a region of another volume: the region's voxel embeddings become a query.

The mean embedding of the region says what is looked for. What the rest of its volume looks like says in which
directions that mean is special, and from where on another voxel is alike: the query is Fisher's linear discriminant
between the two (1936), with their common covariance, and the region's share of the volume as prior, so that a score
above 0 means "likelier than not". It is a vector as those of words are, and is answered in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.bundle import OWN, Bundle
from vlp3d_core.model.estimate import plan
from vlp3d_core.predict.answer import Ready, encode_volume
from vlp3d_core.predict.encode import HALO, embedded_tiles, grid_for, prepare
from vlp3d_core.predict.find import Regions
from vlp3d_core.predict.postprocess import Labels
from vlp3d_core.predict.region import regions_of
from vlp3d_core.predict.tiles import smallest_tile
from vlp3d_core.progress import Cancel, Progress
from vlp3d_core.text.prompt import Prompt
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.volume import Volume

ALIKE = f"{OWN}alike"
RIDGE = 0.01
"""Part of the mean variance that is added to each: a small region does not vary in all directions."""
LEAST = 0.1
"""Part of the volume of the region that was shown: smaller ones are not answers, unless there is no larger one."""


@dataclass(frozen=True)
class Likeness:
    """What a region looks like to one model.

    Attributes:
        query: float32 (D + 1), as those of the model's structures.
        volume_ml: of the region on the model's grid.
        name: for people.
    """

    query: NDArray[np.float32]
    volume_ml: float
    name: str


def likenesses(
    ready: Ready,
    volume: Volume,
    labels: Labels,
    names: Sequence[str],
    tile: int | None,
    progress: Progress,
    cancel: Cancel,
) -> list[Likeness]:
    """What regions of a volume look like, in one pass.

    Args:
        labels: on the volume's own grid, value n for the region with the name n − 1.

    Raises:
        UsageError: a region has no voxel, is smaller than a voxel of the model, or lies in the air around the body; or
            the model makes instances.
        MedVLPError: it is all that the volume shows.
    """
    if ready.queries is None:
        title = ready.bundle.card["title"]
        raise UsageError(f"{title} makes instances and cannot look for what is alike.", "Choose another model.")
    grid = grid_for(ready.bundle, volume)
    _check_seen(labels, resample_labels(labels, Grid.of(volume), grid), names)
    prepared = prepare(ready.bundle, volume, grid, cancel)
    if prepared is None:
        raise UsageError("The volume shows nothing but air or a single value.", "Choose another one.")
    inside = resample_labels(labels, Grid.of(volume), prepared.grid)
    least, size = smallest_tile(HALO, ready.network.stride), 4 * volume.array.size
    needed = plan(ready.network, ready.device, prepared.image.shape, least, size, tile)
    sums: dict[int, NDArray[np.float64]] = {}
    for piece, embeddings in embedded_tiles(ready.network, ready.device, prepared.image, needed.tile, progress, cancel):
        rows = embeddings.movedim(0, -1).float().cpu().numpy()
        values = inside[piece.core]
        for value in range(len(names) + 1):
            chosen = rows[values == value].astype(np.float64)
            sums[value] = sums.get(value, 0.0) + moments(chosen)
    out = []
    for value, name in enumerate(names, 1):
        if sums[value][-1, -1] < 1:
            raise UsageError(f"The region {name} lies outside of what the volume shows.", "Choose one in the body.")
        rest = sum((one for other, one in sums.items() if other != value), np.zeros_like(sums[value]))
        if rest[-1, -1] < 1:
            raise MedVLPError(f"The region {name} is all that the volume shows.", "Choose a smaller one.")
        query = discriminant(sums[value], rest)
        out.append(Likeness(query, float(sums[value][-1, -1]) * grid.voxel_ml, name))
    return out


def _check_seen(labels: Labels, coarse: Labels, names: Sequence[str]) -> None:
    """Raise UsageError for a region without a voxel on the volume's own grid or on the model's."""
    for value, name in enumerate(names, 1):
        if not (labels == value).any():
            raise UsageError(f"The region {name} has no voxel in this volume.", "Choose one that has.")
        if not (coarse == value).any():
            raise UsageError(f"The region {name} is smaller than a voxel of the model.", "Choose a larger one.")


def moments(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D + 1, D + 1): sums of all products of (n, D) rows with a 1 appended; their number is in the last corner."""
    one = np.column_stack([rows, np.ones(len(rows))])
    products: NDArray[np.float64] = one.T @ one
    return products


def discriminant(region: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float32]:
    """(D + 1): Fisher's discriminant between two sets of which the `moments` are known, the offset last."""
    counts, means, scatter = [], [], np.zeros_like(rest[:-1, :-1])
    for one in (region, rest):
        count, total = one[-1, -1], one[-1, :-1]
        counts.append(count)
        means.append(total / count)
        scatter += one[:-1, :-1] - np.outer(total, total) / count
    covariance = scatter / sum(counts)
    ridge = RIDGE * float(np.trace(covariance)) / len(covariance) + 1e-9
    weights = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), means[0] - means[1])
    offset = np.log(counts[0] / counts[1]) - weights @ (means[0] + means[1]) / 2
    return np.append(weights, offset).astype(np.float32)


def find_alike(
    ready: Ready, volume: Volume, likeness: Likeness, k: int, tile: int | None, progress: Progress, cancel: Cancel
) -> Regions:
    """Up to `k` regions that look like it, the best first; in one pass. Whether the volume shows the model's region is
    not asked: whoever shows a region may look for it anywhere."""
    bundle = _bundle_of(ready.bundle, likeness)
    query = torch.from_numpy(likeness.query)[None].to(ready.device.torch)
    encoded = encode_volume(replace(ready, bundle=bundle, queries=query), volume, None, tile, progress, cancel)
    regions = regions_of(bundle, encoded, bundle.structures[ALIKE])
    notes = list(encoded.notes)
    if not regions:
        notes.append(f"Nothing looks like {likeness.name} (highest probability {float(encoded.peak[0]):.2f}).")
    ordered = sorted(regions, key=lambda region: -region.score)[:k]
    return Regions(Prompt(f"like {likeness.name}"), tuple(ordered), tuple(notes))


def _bundle_of(bundle: Bundle, likeness: Likeness) -> Bundle:
    """The model as one that knows nothing but what looks like the region."""
    structure = {"id": ALIKE, "name": f"Like {likeness.name}", "min_ml": LEAST * likeness.volume_ml}
    return replace(bundle, card={**bundle.card, "concepts": [structure], "field": {"anchors": []}})

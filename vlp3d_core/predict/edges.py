"""What is kept of the embeddings: those of voxels beside another label, from which borders are drawn on a finer grid.

Between two voxels of the model grid, scores say where one structure ends and the next begins; labels alone only know
that it is somewhere between them. A score is linear in the embedding, so that interpolated embeddings give interpolated
scores, at a cost that hardly grows with the structures.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import pad

from vlp3d_core.volume.foreground import Slices
from vlp3d_core.volume.grid import nearest_axes
from vlp3d_core.volume.resample_labels import Labels
from vlp3d_core.volume.volume import Volume

UNSEEN = -5.0
"""Score of every structure in a voxel that the network never saw, for it is air."""
WIDEST = 32
"""Embeddings with more numbers are not kept: as those of a model with a hundred classes, they would fill the memory."""
CHUNK = 1 << 15
"""Voxels whose scores are in memory at a time: few enough for a processor's cache."""


class Edges:
    """Scores of the voxels in whose cells of 2×2×2 voxels more than one label lies, filled tile by tile.

    What clean-up changes later lies within these borders or takes one away.

    Args:
        queries: (K, D + 1), one per structure.
        shape: of the model grid.
    """

    def __init__(self, queries: Tensor, shape: tuple[int, ...]) -> None:
        # Label 0 has a score of 0 anywhere.
        self.queries = pad(queries.float().cpu(), (0, 0, 1, 0))
        self.rows: NDArray[np.int32] = np.full(shape, -1, np.int32)
        self._parts: list[Tensor] = []
        self._count = 0

    def add(self, embeddings: Tensor, labels: Labels, where: tuple[slice, ...]) -> None:
        """Keep what is needed of a tile: embeddings (D, *core) and their labels, at `where`."""
        edge = _beside_another(labels)
        part = embeddings.movedim(0, -1)[torch.from_numpy(edge).to(embeddings.device)].half().cpu()
        self.rows[where][edge] = np.arange(self._count, self._count + len(part), dtype=np.int32)
        self._parts.append(part)
        self._count += len(part)

    def within(self, box: Slices) -> Edges:
        """Those of a part of the grid."""
        assert self._table is not None  # made once for all parts
        part = copy(self)
        part.rows = self.rows[box]
        return part

    def plane(self, k: int) -> NDArray[np.float32]:
        """See `volume.resample_labels.Scores`."""
        rows = torch.from_numpy(self.rows[:, :, k]).T.flatten()
        out = self._unseen.repeat(len(rows), 1)
        kept = (rows >= 0).nonzero()[:, 0]
        for part in kept.split(CHUNK):
            scores = torch.addmm(self.queries[:, -1], self._table[rows[part]].float(), self.queries[:, :-1].T)
            out.index_copy_(0, part, scores)
        return out.numpy()

    def best(self, places: NDArray[np.intp], weights: NDArray[np.float32], candidates: Labels) -> Labels:
        """See `volume.resample_labels.Scores`."""
        rows = torch.from_numpy(self.rows[tuple(places)])
        out = np.empty(len(rows), candidates.dtype)
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            row, weight = rows[part], torch.from_numpy(weights[part])
            mixed = torch.einsum("nc,ncd->nd", weight, self._table[row].float())
            seen = (weight * (row >= 0)).sum(1, keepdim=True)
            scores = mixed @ self.queries[:, :-1].T + seen * self.queries[:, -1] + (1 - seen) * self._unseen
            best = scores.gather(1, torch.from_numpy(candidates[part].astype(np.int64))).argmax(1, keepdim=True)
            out[part] = np.take_along_axis(candidates[part], best.numpy(), axis=1)[:, 0]
        return out

    @cached_property
    def _table(self) -> Tensor:
        """(n + 1, D): the embeddings; zeros in the last row, which is that of the number -1."""
        table = torch.cat([*self._parts, torch.zeros(1, self.queries.shape[1] - 1, dtype=torch.float16)])
        self._parts.clear()
        return table

    @cached_property
    def _unseen(self) -> Tensor:
        """(K + 1,): scores in a voxel that the network never saw."""
        return torch.where(torch.arange(len(self.queries)) > 0, UNSEEN, 0.0)


def edges_for(queries: Tensor, shape: tuple[int, ...]) -> Edges | None:
    """Edges of a grid of that shape; None where embeddings are too wide to be kept."""
    return Edges(queries, shape) if queries.shape[1] - 1 <= WIDEST else None


def is_finer(volume: Volume, spacing: Sequence[float]) -> bool:
    """The volume has smaller voxels than a grid of that spacing along some axis, by more than rounding."""
    own = np.array(volume.spacing)[list(nearest_axes(volume.affine))]
    return bool((own < 0.99 * np.array(spacing)).any())


def _beside_another(labels: Labels) -> NDArray[np.bool_]:
    """Voxels with another label among their 26 neighbours, and all at the faces: beyond them lies another tile."""
    most = np.iinfo(labels.dtype).max
    low = ndimage.minimum_filter(labels, 3, mode="constant", cval=0)
    high = ndimage.maximum_filter(labels, 3, mode="constant", cval=most)
    beside: NDArray[np.bool_] = low != high
    return beside

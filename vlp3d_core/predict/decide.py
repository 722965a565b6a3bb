"""Which structure a voxel belongs to, decided chunk by chunk, so that memory does not grow with the structures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlp3d_core.predict.edges import Edges

CHUNK_CPU, CHUNK_GPU = 1 << 19, 1 << 24
"""Scores held at a time, however many structures there are: on a CPU 2 MB, which stay in its cache."""


class Decider:
    """Labels and probabilities on the model grid, filled tile by tile.

    Args:
        queries: (K, D + 1), one per structure.
        shape: of the model grid.
        edges: where embeddings beside borders are kept, if there is a finer grid to draw these on.
        temperature: by which scores are divided before they become probabilities; decisions do not depend on it.

    Attributes:
        labels: uint8 or uint16: 0, or 1 + index of the structure with the highest score where that is above 0 (the
            first one of equals).
        certainty: uint8, 255 × the probability of that structure.
        peak: (K,) the highest score of each structure anywhere, −∞ before the first tile.
    """

    def __init__(
        self, queries: Tensor, shape: tuple[int, ...], temperature: float = 1.0, edges: Edges | None = None
    ) -> None:
        self.queries, self.temperature, self.edges = queries.float(), temperature, edges
        small = len(queries) <= np.iinfo(np.uint8).max
        self.labels: NDArray[np.unsignedinteger] = np.zeros(shape, np.uint8 if small else np.uint16)
        self.certainty: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.peak = torch.full((len(queries),), -torch.inf, device=queries.device)

    @torch.inference_mode()
    def add(self, embeddings: Tensor, where: tuple[slice, ...]) -> None:
        """Decide the voxels of a tile: embeddings (D, *core) in any number format at `where`."""
        step = max(1, (CHUNK_CPU if embeddings.device.type == "cpu" else CHUNK_GPU) // len(self.queries))
        labels, certainty = self.labels[where], self.certainty[where]
        depth = max(1, step // max(1, embeddings[0, 0].numel()))
        for start in range(0, embeddings.shape[1], depth):
            slab = embeddings[:, start : start + depth]
            # Voxel after voxel, as channels-last convolutions leave them: then this is no copy of the whole tile.
            rows = slab.movedim(0, -1).flatten(0, -2)
            decided = [self._decide(part) for part in rows.split(step)]
            labels[start : start + depth] = _joined([d[0] for d in decided], slab.shape[1:])
            certainty[start : start + depth] = _joined([d[1] for d in decided], slab.shape[1:])
        if self.edges:
            self.edges.add(embeddings, labels, where)

    def probability(self, scores: Tensor) -> Tensor:
        """What a score is told to users as."""
        return (scores / self.temperature).sigmoid()

    def _decide(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (n, D) → labels and certainty, (n,)."""
        scores = torch.addmm(self.queries[:, -1:], self.queries[:, :-1], rows.float().T)
        peak, top = scores.amax(dim=1), scores.amax(dim=0)
        self.peak = torch.maximum(self.peak, peak)
        best = torch.zeros(top.shape, dtype=torch.int32, device=top.device)
        # Only structures that are somewhere in this chunk: much faster than an argmax over all of them.
        present = (peak > 0).nonzero().flatten().tolist()
        if not present:
            return best, best
        found = top > 0
        for index in reversed(present):
            best.masked_fill_((scores[index] == top) & found, index + 1)
        return best, torch.where(found, self.probability(top), 0.0).mul_(255).round_()


def _joined(parts: list[Tensor], shape: torch.Size) -> NDArray[np.generic]:
    joined: NDArray[np.generic] = torch.cat(parts).reshape(shape).cpu().numpy()
    return joined

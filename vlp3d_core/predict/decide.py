"""Which structure a voxel belongs to, decided chunk by chunk, so that memory does not grow with the structures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_CPU, CHUNK_GPU = 1 << 19, 1 << 24
"""Scores held at a time, however many structures there are: on a CPU 2 MB, which stay in its cache."""
UNSEEN = 5.0
"""How far label 0 is ahead in a voxel that the network never saw, for it is air."""


class Decider:
    """Labels and probabilities on the model grid, filled tile by tile.

    Args:
        queries: (K, D + 1), one per structure.
        shape: of the model grid.
        temperature: by which scores are divided before they become probabilities; decisions do not depend on it.
        finer: there is a finer grid to draw borders on, for which `lead` is kept.

    Attributes:
        labels: uint8 or uint16: 0, or 1 + index of the structure with the highest score where that is above 0 (the
            first one of equals).
        certainty: uint8, 255 × the probability of that structure.
        lead: float16, how far the label is ahead: the root of its score's difference from the next one's, label 0
            scoring 0. The label across a border need not be the next one, and is behind by more then; roots make less
            of that than the differences themselves.
        peak: (K,) the highest score of each structure anywhere, −∞ before the first tile.
    """

    def __init__(self, queries: Tensor, shape: tuple[int, ...], temperature: float = 1.0, finer: bool = False) -> None:
        self.queries, self.temperature = queries.float(), temperature
        small = len(queries) <= np.iinfo(np.uint8).max
        self.labels: NDArray[np.unsignedinteger] = np.zeros(shape, np.uint8 if small else np.uint16)
        self.certainty: NDArray[np.uint8] = np.zeros(shape, np.uint8)
        self.lead = np.full(shape, UNSEEN**0.5, np.float16) if finer else None
        self.peak = torch.full((len(queries),), -torch.inf, device=queries.device)

    @torch.inference_mode()
    def add(self, embeddings: Tensor, where: tuple[slice, ...]) -> None:
        """Decide the voxels of a tile: embeddings (D, *core) in any number format at `where`."""
        step = max(1, (CHUNK_CPU if embeddings.device.type == "cpu" else CHUNK_GPU) // len(self.queries))
        kept = [array[where] for array in (self.labels, self.certainty, self.lead) if array is not None]
        depth = max(1, step // max(1, embeddings[0, 0].numel()))
        for start in range(0, embeddings.shape[1], depth):
            slab = embeddings[:, start : start + depth]
            # Voxel after voxel, as channels-last convolutions leave them: then this is no copy of the whole tile.
            rows = slab.movedim(0, -1).flatten(0, -2)
            decided = [self._decide(part) for part in rows.split(step)]
            for array, parts in zip(kept, zip(*decided, strict=True), strict=True):
                array[start : start + depth] = torch.cat(parts).reshape(slab.shape[1:]).cpu().numpy()

    def probability(self, scores: Tensor) -> Tensor:
        """What a score is told to users as."""
        return (scores / self.temperature).sigmoid()

    def _decide(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Embeddings (n, D) → labels and certainty, and lead where it is kept, (n,)."""
        scores = torch.addmm(self.queries[:, -1:], self.queries[:, :-1], rows.float().T)
        peak, top = scores.amax(dim=1), scores.amax(dim=0)
        self.peak = torch.maximum(self.peak, peak)
        best = torch.zeros(top.shape, dtype=torch.int32, device=top.device)
        found = top > 0
        # Only structures that are somewhere in this chunk: much faster than an argmax over all of them.
        present = (peak > 0).nonzero().flatten()
        for index in reversed(present.tolist()):
            best.masked_fill_((scores[index] == top) & found, index + 1)
        certainty = torch.where(found, self.probability(top), 0.0).mul_(255).round_()
        return (best, certainty) if self.lead is None else (best, certainty, _lead(scores, top, best, present))


def _lead(scores: Tensor, top: Tensor, best: Tensor, present: Tensor) -> Tensor:
    """See `Decider`: scores (K, n), the highest of them and labels, (n,), and the structures that have any voxel."""
    lead, found = top.abs(), best.nonzero().flatten()
    if found.numel():
        others = scores.index_select(0, present).index_select(1, found)
        own = torch.searchsorted(present, best[found].long() - 1)
        second = others.scatter_(0, own[None], 0.0).amax(0).clamp_(min=0)  # in its own place stands label 0
        lead.index_add_(0, found, second, alpha=-1)
    return lead.sqrt_()

"""Where in a volume a pretrained model sees what a phrase says: local image vectors against text vectors.

Pretraining compares whole volumes with reports, so the image head knows only maps pooled by mean and maximum. What
comes closest to that for a place is the same pooling over a small window of the coarsest map: of a single element,
mean and maximum would be the same number, which the head has never seen. Windows of two elements along each axis are
the smallest that are pooled at all. The map is coarse (with four stages an element stands for 8 voxels); passes over
the image moved by half an element double its resolution.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize, pad

from vlp3d_core.model.alignment import AlignmentModel

WINDOW = 2
"""Elements of the coarsest map along each axis that are pooled to one local vector."""


@torch.inference_mode()
def similarity_maps(model: AlignmentModel, image: NDArray[np.float32], texts: NDArray[np.float32]) -> Tensor:
    """How much the surroundings of each voxel are alike to each phrase: the product of their vectors.

    Args:
        image: (I, J, K), normalised; edges are multiples of the model's stride.
        texts: (T, D); with rows of length 1 the products are cosines.

    Returns:
        (T, I, J, K), float32.
    """
    vectors = torch.from_numpy(texts)
    total = torch.zeros(len(texts), *image.shape)
    shifts = sorted({0, model.stride // 2})
    moves = list(product(shifts, repeat=3))
    for move in moves:
        # Air comes in at the near ends, what leaves at the far ends is lost to this pass and seen by the others.
        moved = pad(torch.from_numpy(image)[None, None], [n for m in reversed(move) for n in (m, -m)], value=-1.0)
        local = local_vectors(model, moved)
        similarity = torch.einsum("td,dijk->tijk", vectors, local)[None]
        total += _back(similarity, move, image.shape, model.stride)[0]
    return total / len(moves)


def local_vectors(model: AlignmentModel, image: Tensor) -> Tensor:
    """(1, 1, I, J, K) → (D, i, j, k): one vector of length 1 for each window of the coarsest map."""
    coarse = model.encoder(image)[-1].float()[0]
    windows = coarse
    for axis in (1, 2, 3):
        windows = windows.unfold(axis, min(WINDOW, coarse.shape[axis]), 1)
    channels, *places = windows.shape[:4]
    each = windows.reshape(channels, int(np.prod(places)), -1, 1, 1).transpose(0, 1)
    vectors = normalize(model.pooled(each), dim=1)
    return vectors.T.reshape(-1, *places)


def _back(similarity: Tensor, move: tuple[int, ...], shape: tuple[int, ...], stride: int) -> Tensor:
    """Values at the windows' centres → values at voxels, linear between the centres and constant beyond them."""
    edge = stride * (WINDOW - 1) // 2
    middle = tuple(max(n - 2 * edge, 1) for n in shape)
    inner = interpolate(similarity, size=middle, mode="trilinear", align_corners=False)
    full = pad(inner, [n for size, m in zip(reversed(shape), reversed(middle), strict=True) for n in _ends(size, m)],
               mode="replicate")  # fmt: skip
    # Voxel v was seen at v + move.
    back = pad(full, [n for m in reversed(move) for n in (0, m)], mode="replicate")
    i, j, k = (slice(m, m + n) for m, n in zip(move, shape, strict=True))
    return back[..., i, j, k]


def _ends(size: int, inner: int) -> tuple[int, int]:
    return (size - inner) // 2, size - inner - (size - inner) // 2

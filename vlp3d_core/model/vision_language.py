"""The model: an image encoder, a voxel-embedding decoder, and a projection from text vectors to queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vlp3d_core.model.decoders import VoxelEmbeddingDecoder
from vlp3d_core.model.encoders import Encoder, build_encoder


class VisionLanguageModel(nn.Module):
    """Scores every voxel against any number of texts with one pass over the image.

    A text vector t (from the text tower, length T) becomes a query q = P·B(t - m) + c of length D + 1. The mean m and
    the basis B are fixed: text vectors of anatomy all point one way ("left parotid" and "right parotid" have a cosine
    of 0.98), and B spreads what tells concepts apart (see `train.text_basis`), or P would learn it very slowly. A
    voxel with
    embedding e (length D) scores e·q[:D] + q[D]: the logit that the text describes this voxel. Texts are judged
    independently of each other (sigmoid), so that one more prompt never changes the answer to another one.

    Args:
        encoder: name in `ENCODERS`.
        encoder_options: its keyword arguments.
        dimension: D.
        text_dimension: T.
        text_rank: length R of B(t - m); None is T, with the identity as B until a trained one is loaded.
    """

    def __init__(
        self,
        encoder: str = "residual-unet",
        encoder_options: Mapping[str, Any] | None = None,
        dimension: int = 32,
        text_dimension: int = 384,
        text_rank: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        self.decoder = VoxelEmbeddingDecoder(self.encoder.channels, dimension)
        self.text_mean: Tensor
        self.text_basis: Tensor
        rank = text_rank or text_dimension
        self.register_buffer("text_mean", torch.zeros(text_dimension))
        # sqrt(T) gives the entries of a unit vector unit variance, the scale that a linear layer is initialised for.
        self.register_buffer("text_basis", torch.eye(text_dimension, rank) * text_dimension**0.5)
        self.projection = nn.Linear(rank, dimension + 1)
        # Most voxels show no structure: start from a low probability instead of learning it in the first hundred steps.
        nn.init.constant_(self.projection.bias[-1:], -4.0)
        self.dimension = dimension

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    @property
    def finest_channels(self) -> int:
        """Channels of the maps at full resolution, where memory goes."""
        return self.encoder.channels[0]

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised image → (B, D, I, J, K) voxel embeddings."""
        return self.decoder(self.encoder(image))

    def queries(self, text: Tensor) -> Tensor:
        """(K, T) text vectors of unit length → (K, D + 1) query vectors."""
        # Half precision would blur what little tells similar texts apart; these are small matrices.
        with torch.autocast(text.device.type, enabled=False):
            return self.projection((text.float() - self.text_mean) @ self.text_basis)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """(B, 1, I, J, K) and (K, T) → logits (B, K, I, J, K)."""
        return voxel_scores(self.embed(image), self.queries(text))


def voxel_scores(embeddings: Tensor, queries: Tensor) -> Tensor:
    """(B, D, *grid) and (K, D + 1) → logits (B, K, *grid), in the queries' precision."""
    # Voxel after voxel, as channels-last convolutions leave them: then nothing is copied.
    rows = embeddings.movedim(1, -1).to(queries.dtype)
    # Apart, so that the offset, which decides how much is found at all, is not rounded to half precision.
    return (linear(rows, queries[:, :-1]) + queries[:, -1]).movedim(-1, 1)

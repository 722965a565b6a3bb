"""An image encoder and sentence vectors brought into one space, as pretraining with reports does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlp3d_core.model.encoders import Encoder, build_encoder


class AlignmentModel(nn.Module):
    """A volume and a report each become one vector; those of a pair shall be alike.

    The image vector pools the encoder's coarsest map by mean and maximum: a small finding would drown in a mean alone.
    The report comes as vectors of its sentences from a frozen text encoder; a small network looks at each sentence
    before they are pooled, for it is one sentence, not the average of all, that names a finding.

    Args:
        encoder, encoder_options: name in `ENCODERS` and its keyword arguments.
        text_dimension: T, length of a sentence vector.
        dimension: D of the shared space.
    """

    def __init__(
        self,
        encoder: str = "residual-unet",
        encoder_options: Mapping[str, Any] | None = None,
        text_dimension: int = 384,
        dimension: int = 512,
    ) -> None:
        super().__init__()
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        # Sentence vectors all point one way ("left" and "right" differ by a hundredth): centre and spread them first.
        self.text_mean: Tensor
        self.text_scale: Tensor
        self.register_buffer("text_mean", torch.zeros(text_dimension))
        self.register_buffer("text_scale", torch.ones(text_dimension))
        self.sentence = nn.Sequential(nn.Linear(text_dimension, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.image_head = head(2 * self.encoder.channels[-1], dimension)
        self.text_head = head(2 * 256, dimension)

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    def image(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised images → (B, D)."""
        return self.pooled(self.encoder(image)[-1].float())

    def pooled(self, coarse: Tensor) -> Tensor:
        """The encoder's coarsest map, (B, C, I, J, K) → (B, D)."""
        return self.image_head(mean_and_maximum(coarse))

    def text(self, sentences: Tensor, mask: Tensor) -> Tensor:
        """(B, S, T) sentence vectors and (B, S), 1 where there is a sentence → (B, D)."""
        seen = self.sentence((sentences - self.text_mean) * self.text_scale)
        weight = mask[..., None].to(seen.dtype)
        mean = (seen * weight).sum(1) / weight.sum(1).clamp(min=1)
        return self.text_head(torch.cat([mean, (seen * weight).amax(1)], dim=1))

    def standardise_text(self, vectors: Tensor) -> None:
        """Centre and spread sentence vectors by those of the training reports, (N, T)."""
        self.text_mean.copy_(vectors.mean(0))
        self.text_scale.copy_(1 / vectors.std(0).clamp(min=1e-4))


def mean_and_maximum(coarse: Tensor) -> Tensor:
    """A feature map over its voxels, (B, C, I, J, K) → (B, 2C)."""
    flat = coarse.flatten(2)
    return torch.cat([flat.mean(2), flat.amax(2)], dim=1)


def head(width: int, dimension: int) -> nn.Sequential:
    """Linear–BN–ReLU–Linear–BN without an affine map at the end: the projection of GTGM and Barlow Twins."""
    return nn.Sequential(
        nn.Linear(width, dimension, bias=False),
        nn.BatchNorm1d(dimension),
        nn.ReLU(),
        nn.Linear(dimension, dimension, bias=False),
        nn.BatchNorm1d(dimension, affine=False),
    )


def padded(reports: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Sentence vectors of several reports, (S, T) each → (B, S, T) with zeros at the end, and the mask (B, S)."""
    together = nn.utils.rnn.pad_sequence([torch.from_numpy(r) for r in reports], batch_first=True)
    lengths = torch.tensor([len(r) for r in reports])
    return together, (torch.arange(together.shape[1])[None] < lengths[:, None]).float()

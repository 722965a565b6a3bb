"""The parts of the network that are exported, and the images on which every export is held against the original."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vlp3d_core.model.vision_language import VisionLanguageModel, voxel_scores

TOLERANCE = 1e-3
"""Largest difference to PyTorch that an export may have anywhere in its outputs."""


class FixedQueries(nn.Module):
    """The network with the queries of its structures built in: a closed set of classes.

    Channel 0 is background with a score of 0, channel n the score of structure n: the largest one is the label that
    `vlp3d segment` decides on, equal scores included.
    """

    def __init__(self, network: VisionLanguageModel, queries: Tensor) -> None:
        super().__init__()
        self.encoder: nn.Module = network.encoder  # type: ignore[assignment]
        self.decoder = network.decoder
        self.queries: Tensor
        self.register_buffer("queries", queries.detach().clone())

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K), normalised → (B, K + 1, I, J, K)."""
        scores = voxel_scores(self.decoder(self.encoder(image)), self.queries)
        return torch.cat([torch.zeros_like(scores[:, :1]), scores], dim=1)


class EncoderPart(nn.Module):
    """Image → feature maps, as a tuple: exporters know no lists."""

    def __init__(self, network: VisionLanguageModel) -> None:
        super().__init__()
        self.encoder: nn.Module = network.encoder  # type: ignore[assignment]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.encoder(image))


class DecoderPart(nn.Module):
    """Feature maps, one argument each → voxel embeddings."""

    def __init__(self, network: VisionLanguageModel) -> None:
        super().__init__()
        self.decoder = network.decoder

    def forward(self, *features: Tensor) -> Tensor:
        return self.decoder(list(features))


def trial_images(stride: int) -> Iterator[Tensor]:
    """Images of two shapes, none of them a cube: an export that is right for one size only is found out."""
    draw = torch.Generator().manual_seed(0)
    for edges in ((2, 3, 4), (4, 2, 3)):
        # Smooth as well as noisy: a shift by one voxel and a wrong edge show in both.
        shape = [stride * n if stride > 2 else 4 * n for n in edges]
        image = torch.rand((1, 1, *shape), generator=draw) * 2 - 1
        image[..., : shape[2] // 2] = nn.functional.avg_pool3d(image, 3, 1, 1)[..., : shape[2] // 2]
        yield image

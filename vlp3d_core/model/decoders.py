"""The text-queried decoder: one embedding per voxel, to be multiplied with query vectors made from text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from monai.networks.blocks.dynunet_block import UnetUpBlock
from torch import Tensor, nn


class VoxelEmbeddingDecoder(nn.Module):
    """The expanding half of a U-Net that ends in an embedding per voxel instead of in classes.

    Args:
        channels: channels of the encoder's feature maps, finest first.
        dimension: D, the length of a voxel's embedding.
    """

    def __init__(self, channels: Sequence[int], dimension: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            UnetUpBlock(3, coarse, fine, kernel_size=3, upsample_kernel_size=2, stride=1, norm_name="batch")
            for fine, coarse in reversed(list(pairwise(channels)))
        )
        self.embed = nn.Conv3d(channels[0], dimension, kernel_size=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Feature maps, finest first → (B, D, I, J, K) at the finest map's grid."""
        *skips, x = features
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(x, skip)
        return self.embed(x)

"""From tokens back to an image, for methods that restore one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Restorer(nn.Module):
    """Each token becomes the block of voxels that it stands for, by one linear layer (SimMIM, Xie et al. 2022).

    A deeper decoder restores no better representations there, and would cost as much as the encoder.

    Args:
        width: of the tokens.
        stride: edge of a block in voxels.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.block = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, stride**3), nn.Tanh())

    def forward(self, tokens: Tensor, grid: Sequence[int]) -> Tensor:
        """(B, I·J·K, width) tokens of a grid (I, J, K) → (B, 1, I·stride, J·stride, K·stride), in [-1, 1]."""
        (i, j, k), n = grid, self.stride
        blocks = self.block(tokens).view(-1, i, j, k, n, n, n)
        return blocks.permute(0, 1, 4, 2, 5, 3, 6).reshape(-1, 1, i * n, j * n, k * n)

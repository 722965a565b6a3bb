"""From tokens back to an image, for methods that restore one."""

from __future__ import annotations

from typing import Any

from torch import nn


class Restorer(nn.Sequential):
    """Tokens at the coarsest grid → an image at the finest one, doubling the grid with halved channels each time.

    No skip connections: they would carry the image around the tokens.

    Args:
        width: channels of the tokens.
        stride: edge in voxels that one token stands for.
    """

    def __init__(self, width: int, stride: int) -> None:
        layers: list[Any] = []
        while stride > 1:
            layers += [nn.ConvTranspose3d(width, max(width // 2, 8), 2, stride=2), nn.GELU()]
            width, stride = max(width // 2, 8), stride // 2
        super().__init__(*layers, nn.Conv3d(width, 1, 3, padding=1), nn.Tanh())

"""Image encoders by name. Each turns a volume into feature maps, finest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from monai.networks.blocks.dynunet_block import UnetResBlock
from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError


class Encoder(Protocol):
    """What a decoder needs to know of an encoder.

    Attributes:
        channels: channels of each feature map, finest first.
        stride: edge length in voxels that one element of the coarsest map stands for; inputs are multiples of it.
    """

    channels: tuple[int, ...]
    stride: int

    def __call__(self, image: Tensor) -> list[Tensor]:
        """(B, 1, I, J, K) → feature maps (B, channels[s], I/2^s, J/2^s, K/2^s)."""
        ...


class ResidualUNetEncoder(nn.Module):
    """The contracting half of a residual U-Net (MONAI's `UnetResBlock`), halving the grid at each stage but the first.

    Batch normalisation is chosen on purpose: at inference it is a fixed affine map, so that what the network says of
    a voxel depends on its surroundings alone and not on where a tile was cut (instance normalisation depends on it).
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.stride = 2 ** (len(self.channels) - 1)
        before = (1, *self.channels[:-1])
        self.stages = nn.ModuleList(
            UnetResBlock(3, i, o, kernel_size=3, stride=1 if n == 0 else 2, norm_name="batch")
            for n, (i, o) in enumerate(zip(before, self.channels, strict=True))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        return features


ENCODERS: dict[str, Callable[..., nn.Module]] = {"residual-unet": ResidualUNetEncoder}


def build_encoder(name: str, **options: Any) -> Encoder:
    """The encoder of that name with freshly initialised weights.

    Raises:
        MedVLPError: no encoder has that name.
    """
    if name not in ENCODERS:
        raise MedVLPError(f"There is no encoder named {name!r}.", f"Choose one of: {', '.join(ENCODERS)}.")
    return cast(Encoder, ENCODERS[name](**options))


def parameters_in(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def channels_last(module: nn.Module) -> nn.Module:
    """The same module with its weights laid out for channels-last convolutions, the fast layout on CPUs."""
    return module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

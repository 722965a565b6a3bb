"""Image encoders by name. Each turns a volume into feature maps, finest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from monai.networks.blocks.dynunet_block import UnetResBlock
from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.recompute import run_stage


class Encoder(Protocol):
    """What a decoder needs to know of an encoder.

    Attributes:
        channels: channels of each feature map, finest first.
        stride: edge length in voxels that one element of the coarsest map stands for; inputs are multiples of it.
        recompute: whether the stages forget their activations in training, see `model.recompute`.
    """

    channels: tuple[int, ...]
    stride: int
    recompute: bool

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
        self.recompute = False
        self.stride = 2 ** (len(self.channels) - 1)
        before = (1, *self.channels[:-1])
        self.stages = nn.ModuleList(
            UnetResBlock(3, i, o, kernel_size=3, stride=1 if n == 0 else 2, norm_name="batch")
            for n, (i, o) in enumerate(zip(before, self.channels, strict=True))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            image = run_stage(stage, image, self.recompute)
            features.append(image)
        return features


class SwinUNETREncoder(nn.Module):
    """The contracting half of SwinUNETR (Hatamizadeh et al. 2022): MONAI's Swin transformer, and the convolution block
    that it puts beside it at the finest grid.

    Args:
        feature_size: channels of the two finest maps (48 in the paper); doubled at each coarser one.
        window: edge of the windows of attention, in tokens.
    """

    def __init__(
        self,
        feature_size: int = 48,
        depths: Sequence[int] = (2, 2, 2, 2),
        heads: Sequence[int] = (3, 6, 12, 24),
        window: int = 7,
    ) -> None:
        # Imported here: all of MONAI's networks come with it, which the default encoder would pay for at every start.
        from monai.networks.blocks.unetr_block import UnetrBasicBlock
        from monai.networks.nets.swin_unetr import SwinTransformer

        super().__init__()
        self.channels = (feature_size, *(feature_size * 2**n for n in range(5)))
        self.stride = 32
        self.fine = UnetrBasicBlock(3, 1, feature_size, kernel_size=3, stride=1, norm_name="instance", res_block=True)
        self.swin = SwinTransformer(1, feature_size, (window,) * 3, (2,) * 3, list(depths), list(heads))
        self.recompute = False

    def forward(self, image: Tensor) -> list[Tensor]:
        for module in self.swin.modules():
            if hasattr(module, "use_checkpoint"):  # its blocks can forget theirs by themselves
                module.use_checkpoint = self.recompute
        return [run_stage(self.fine, image, self.recompute), *self.swin(image)]


class ResNet50Encoder(nn.Module):
    """MONAI's 3D ResNet-50, whose first convolution halves the grid, and a block at the finest grid for decoders.

    Args:
        width: channels of the first layer (64 in He et al. 2016); the others follow.
    """

    def __init__(self, width: int = 64) -> None:
        from monai.networks.nets.resnet import ResNet

        super().__init__()
        planes = [width * 2**n for n in range(4)]
        self.channels = (width // 2, width, *(4 * p for p in planes))
        self.recompute = False
        self.stride = 32
        self.fine = UnetResBlock(3, 1, width // 2, kernel_size=3, stride=1, norm_name="batch")
        self.net = ResNet(
            "bottleneck", [3, 4, 6, 3], planes, 3, 1, conv1_t_size=7, conv1_t_stride=2, feed_forward=False
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        net = self.net
        half = net.act(net.bn1(net.conv1(image)))
        features = [run_stage(self.fine, image, self.recompute), half]
        x = net.maxpool(half)
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = run_stage(layer, x, self.recompute)
            features.append(x)
        return features


ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "residual-unet": ResidualUNetEncoder,
    "swin-unetr": SwinUNETREncoder,
    "resnet-50": ResNet50Encoder,
}


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

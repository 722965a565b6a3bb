"""Affinities from an image: an encoder and the decoder of the segmentation model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import AFFINITIES, Bundle, in_float32, must_fit, verified_weights
from vlp3d_core.model.decoders import VoxelEmbeddingDecoder
from vlp3d_core.model.encoders import Encoder, build_encoder, channels_last


class AffinityModel(nn.Module):
    """A logit for each axis and distance: whether a voxel and the one so far before it along R, A or S belong to one
    instance. The first distance is 1, and is what makes instances; the others are learnt beside it, because who has to
    tell what lies far apart looks at shapes and not at the next edge alone (Lee et al., arXiv 1706.00120).

    Args:
        encoder, encoder_options: name in `ENCODERS` and its keyword arguments.
        distances: how many.
    """

    def __init__(
        self,
        encoder: str = "residual-unet",
        encoder_options: Mapping[str, Any] | None = None,
        distances: int = 1,
    ) -> None:
        super().__init__()
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        self.dimension = 3 * distances
        self.decoder = VoxelEmbeddingDecoder(self.encoder.channels, self.dimension)

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    @property
    def finest_channels(self) -> int:
        """Channels of the maps at full resolution, where memory goes."""
        return self.encoder.channels[0]

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised image → logits (B, 3 N, I, J, K) for N distances, the first one first."""
        return self.decoder(self.encoder(image))

    def forward(self, image: Tensor) -> Tensor:
        """The same."""
        return self.embed(image)


def load_affinities(bundle: Bundle) -> AffinityModel:
    """The network in evaluation mode, float32, on the CPU.

    Raises:
        MedVLPError: a model of another kind, the hash differs, or the weights do not belong to its architecture.
    """
    from safetensors.torch import load

    if bundle.kind != AFFINITIES:
        raise MedVLPError(f"{bundle.name} is no model of affinities.", "Train one: `task: affinities` in a recipe.")
    content, settings = verified_weights(bundle), bundle.card["architecture"]
    with must_fit(bundle):
        network = AffinityModel(settings["encoder"], settings["encoder_options"], len(settings.get("distances", (1,))))
        network.load_state_dict(in_float32(load(content)))
    channels_last(network).eval().requires_grad_(False)
    return network

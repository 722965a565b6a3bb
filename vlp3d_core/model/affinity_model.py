"""Affinities from an image: an encoder and the decoder of the segmentation model. And such a model on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vlp3d_core.model.decoders import VoxelEmbeddingDecoder
from vlp3d_core.model.encoders import Encoder, build_encoder
from vlp3d_core.model.saved import Sees, load_network, save_network

STEM = "affinities"


class AffinityModel(nn.Module):
    """A logit for each axis: whether a voxel and its predecessor along R, A or S belong to one instance.

    Args:
        encoder, encoder_options: name in `ENCODERS` and its keyword arguments.
    """

    def __init__(self, encoder: str = "residual-unet", encoder_options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        self.decoder = VoxelEmbeddingDecoder(self.encoder.channels, 3)

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised image → logits (B, 3, I, J, K)."""
        return self.decoder(self.encoder(image))

    def forward(self, image: Tensor) -> Tensor:
        """The same."""
        return self.embed(image)


@dataclass(frozen=True)
class SavedAffinityModel(Sees):
    """A model of affinities with what it wants to see.

    Attributes:
        model: in evaluation mode, on the CPU.
        card: task, architecture, spacing, field, normalisation, modality, recipe.
    """

    model: AffinityModel
    card: dict[str, Any]


def save_affinity_model(folder: Path, weights: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Write `affinities.safetensors` and `affinities.json`."""
    save_network(folder, STEM, weights, card)


def load_affinity_model(folder: str | Path) -> SavedAffinityModel:
    """Open a finished run.

    Raises:
        MedVLPError: no such model there, or weights that are not those of its card.
    """
    return SavedAffinityModel(*load_network(Path(folder), STEM, AffinityModel, "model of affinities", "vlp3d finetune"))

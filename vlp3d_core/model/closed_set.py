"""Networks with a fixed set of classes, from MONAI bundles: TorchScript, or one of MONAI's networks by name.

They answer like the text-queried model: `embed` gives one number a structure and voxel, its logit against background,
so that the same tiles, decision and clean-up follow.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.networks import SCRIPT, check_arguments, check_script


class ClosedSetModel(nn.Module):
    """A network of classes in the place of encoder, decoder and queries.

    Args:
        network: (B, 1, I, J, K) → (B, C, I, J, K) scores.
        architecture: of the card: `channels` (of the structures, in the card's order), `classes` (C), `activation`,
            `background` (its channel, with softmax), `input` (values of the network at -1 and 1), `stride`.

    With softmax, a structure's logit is its score less that of background: it is above 0 and the largest exactly where
    the network's largest score is this structure's. With sigmoid it is the network's score, and where structures
    overlap the most probable one is the label.
    """

    def __init__(self, network: nn.Module, architecture: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.channels = list(architecture["channels"])
        self.classes = int(architecture["classes"])
        self.background = int(architecture["background"]) if architecture["activation"] == "softmax" else None
        low, high = architecture["input"]
        self.scale, self.shift = (high - low) / 2, (high + low) / 2
        self.stride = int(architecture["stride"])
        self.dimension = len(self.channels)

    @property
    def finest_channels(self) -> int:
        """Channels of the first convolution: what memory is estimated by, as good as it can be told from outside."""
        first = next((p.shape[0] for p in self.network.parameters() if p.ndim == 5), 32)
        return max(first, self.classes)

    def embed(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised image → (B, K, I, J, K).

        Raises:
            MedVLPError: the network fails, or gives something else than one score a class and voxel.
        """
        # The networks were made for float32; which of their layers bear less is not known.
        with torch.autocast(image.device.type, enabled=False):
            try:
                scores: Any = self.network(image.float() * self.scale + self.shift)
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                shape = "×".join(map(str, image.shape[2:]))
                cause = f"The network of the MONAI bundle fails on a tile of {shape} voxels."
                raise MedVLPError(cause, "It may be made for one size only: ask whoever made it.") from error
        if not isinstance(scores, Tensor) or scores.shape != (image.shape[0], self.classes, *image.shape[2:]):
            cause = f"The network of the MONAI bundle does not give {self.classes} scores a voxel, as its card says."
            raise MedVLPError(cause, "Ask whoever made it.")
        scores = scores.float()
        if self.background is not None:
            scores = scores - scores[:, self.background : self.background + 1]
        return scores[:, self.channels]


def queries_of(model: ClosedSetModel) -> Tensor:
    """(K, K + 1): each structure's score is its own channel."""
    return torch.cat([torch.eye(model.dimension), torch.zeros(model.dimension, 1)], dim=1)


def load_closed_set(content: bytes, architecture: Mapping[str, Any], name: str) -> ClosedSetModel:
    """The model from a weights file whose hash was checked, in evaluation mode on the CPU.

    Raises:
        MedVLPError: TorchScript that touches files, or weights that do not fit.
    """
    try:
        network = _script(content) if architecture["network"] == SCRIPT else _named(content, architecture)
    except MedVLPError:
        raise
    except Exception as error:  # torch, MONAI and safetensors raise many kinds; all of them mean the same here
        cause = f"The network of {name} cannot be made: its weights do not fit its card."
        raise MedVLPError(cause, "Add the model again, or ask whoever made it.") from error
    for parameter in network.parameters():  # TorchScript has no requires_grad_ of its own
        parameter.requires_grad_(False)
    return ClosedSetModel(network, architecture).eval()


def _script(content: bytes) -> nn.Module:
    check_script(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is no longer developed; MONAI's bundles are made of it
        loaded: nn.Module = torch.jit.load(io.BytesIO(content), map_location="cpu")
    return loaded


def _named(content: bytes, architecture: Mapping[str, Any]) -> nn.Module:
    from monai.networks import nets
    from safetensors.torch import load

    check_arguments(architecture["network"], architecture["arguments"])
    network: nn.Module = getattr(nets, architecture["network"])(**architecture["arguments"])
    network.load_state_dict(load(content))
    return network

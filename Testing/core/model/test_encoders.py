"""Encoders by name: the maps that they promise, gradients everywhere, a decoder on top."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.encoders import ENCODERS, build_encoder
from vlp3d_core.model.vision_language import VisionLanguageModel

SMALL: dict[str, dict[str, Any]] = {
    "residual-unet": {"channels": [4, 6, 8]},
    "swin-unetr": {"feature_size": 12, "window": 4},
    "resnet-50": {"width": 8},
}


def test_every_encoder_is_tried_here() -> None:
    assert set(SMALL) == set(ENCODERS)


@pytest.mark.parametrize("name", SMALL)
def test_maps_are_as_promised(name: str) -> None:
    encoder = build_encoder(name, **SMALL[name])
    edge = encoder.stride * 2
    features = encoder(torch.randn(1, 1, edge, encoder.stride, edge))
    assert [f.shape[1] for f in features] == list(encoder.channels)
    assert encoder.stride == 2 ** (len(features) - 1)
    for level, f in enumerate(features):
        assert f.shape[2:] == (edge >> level, encoder.stride >> level, edge >> level)


@pytest.mark.parametrize("name", SMALL)
def test_a_decoder_fits_and_gradients_reach_every_weight(name: str) -> None:
    torch.manual_seed(0)
    network = VisionLanguageModel(name, SMALL[name], dimension=4, text_dimension=6)
    edge = max(network.stride, 8) * 2  # batch normalisation needs more than one value in the coarsest map
    network(torch.randn(1, 1, edge, edge, edge), torch.randn(3, 6)).square().mean().backward()
    assert [k for k, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", SMALL)
def test_a_volume_becomes_one_vector(name: str) -> None:
    model = AlignmentModel(name, SMALL[name], text_dimension=6, dimension=16).eval()
    edge = model.stride
    with torch.inference_mode():
        assert model.image(torch.randn(2, 1, edge, edge, edge)).shape == (2, 16)
        assert model.text(torch.randn(2, 3, 6), torch.ones(2, 3)).shape == (2, 16)


@pytest.mark.parametrize("name", SMALL)
def test_forgotten_activations_change_neither_gradients_nor_statistics(name: str) -> None:
    image = torch.randn(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(1))
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        encoder = build_encoder(name, **SMALL[name])
        encoder.recompute = recompute
        kept = Kept()
        with kept:
            loss = sum(f.square().mean() for f in encoder(image))
        loss.backward()
        module = cast(torch.nn.Module, encoder)
        found.append(({k: p.grad for k, p in module.named_parameters()}, dict(module.named_buffers()), kept.bytes))
    for plain, again in zip(found[0][:2], found[1][:2], strict=True):
        assert all(torch.equal(plain[k], again[k]) for k in plain)
    assert found[1][2] < 0.7 * found[0][2], "less is kept for the gradient"


class Kept(torch.autograd.graph.saved_tensors_hooks):
    """Counts what autograd keeps."""

    def __init__(self) -> None:
        self.bytes = 0
        super().__init__(self.keep, lambda tensor: tensor)

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        self.bytes += tensor.nbytes
        return tensor

"""The network: shapes, and that one more prompt never changes the answer to another one."""

from __future__ import annotations

import pytest
import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.encoders import build_encoder, parameters_in
from vlp3d_core.model.vision_language import VisionLanguageModel


@pytest.fixture(scope="module")
def network() -> VisionLanguageModel:
    torch.manual_seed(0)
    return VisionLanguageModel("residual-unet", {"channels": [4, 6, 8]}, dimension=5, text_dimension=12).eval()


def test_shapes(network: VisionLanguageModel) -> None:
    image, text = torch.randn(2, 1, 8, 12, 4), torch.randn(3, 12)
    assert network.stride == 4
    features = network.encoder(image)
    assert [tuple(f.shape) for f in features] == [(2, 4, 8, 12, 4), (2, 6, 4, 6, 2), (2, 8, 2, 3, 1)]
    assert network.embed(image).shape == (2, 5, 8, 12, 4)
    assert network.queries(text).shape == (3, 6)
    assert network(image, text).shape == (2, 3, 8, 12, 4)


def test_prompts_do_not_disturb_each_other(network: VisionLanguageModel) -> None:
    image, text = torch.randn(1, 1, 8, 8, 8), torch.randn(6, 12)
    with torch.inference_mode():
        torch.testing.assert_close(network(image, text)[:, 2:3], network(image, text[2:3]))


def test_a_fresh_network_finds_next_to_nothing(network: VisionLanguageModel) -> None:
    text = torch.nn.functional.normalize(torch.randn(4, 12), dim=1)
    with torch.inference_mode():
        assert network(torch.randn(1, 1, 8, 8, 8), text).sigmoid().median() < 0.2


def test_the_default_encoder() -> None:
    encoder = build_encoder("residual-unet")
    assert encoder.channels == (16, 32, 64, 96, 128) and encoder.stride == 16
    assert parameters_in(encoder) < 2_000_000  # type: ignore[arg-type]


def test_an_encoder_that_does_not_exist() -> None:
    with pytest.raises(MedVLPError, match="residual-unet"):
        build_encoder("resnet-9000")

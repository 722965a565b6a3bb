"""Maps of similarity: a model that knows bright from dark, by weights set by hand, points at what is bright."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.predict.similarity import local_vectors, similarity_maps

SHAPE = (40, 32, 48)


class Means(nn.Module):
    """An encoder with one channel: the mean of every 8³ voxels."""

    channels = (1,)
    stride = 8

    def forward(self, image: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool3d(image, 8)]


class Angle(nn.Module):
    """Mean and maximum of a window → a vector of length 1 that turns with the mean."""

    def forward(self, pooled: Tensor) -> Tensor:
        return torch.stack([torch.sin(pooled[:, 0]), torch.cos(pooled[:, 0])], dim=1)


@pytest.fixture(scope="module")
def model() -> AlignmentModel:
    made = AlignmentModel(encoder_options={"channels": [2, 4]}, dimension=2)
    made.encoder, made.image_head = Means(), Angle()
    return made.eval()


@settings(deadline=None, max_examples=25)
@given(st.tuples(*(st.integers(2, n - 10) for n in SHAPE)))
def test_the_maximum_lies_at_what_is_bright(model: AlignmentModel, corner: tuple[int, int, int]) -> None:
    image = np.full(SHAPE, -1.0, np.float32)
    image[tuple(slice(c, c + 8) for c in corner)] = 1.0
    bright, dark = similarity_maps(model, image, np.array([[1, 0], [-1, 0]], np.float32)).numpy()
    assert bright.shape == SHAPE and np.isfinite(bright).all()
    assert np.allclose(bright, -dark, atol=1e-6)
    top = np.unravel_index(int(bright.argmax()), SHAPE)
    centre = np.array(corner) + 3.5
    # A window is 16 voxels wide, and passes are half an element of 8 apart; at the border it cannot be centred.
    reach = [8 if 6 <= c <= n - 8 else 12 for c, n in zip(centre, SHAPE, strict=True)]
    assert (np.abs(top - centre) <= reach).all()


def test_local_vectors_are_those_of_windows(model: AlignmentModel) -> None:
    image = torch.randn(1, 1, *SHAPE)
    local = local_vectors(model, image)
    assert local.shape == (2, 4, 3, 5)
    assert torch.allclose(local.norm(dim=0), torch.ones(4, 3, 5))
    window = nn.functional.avg_pool3d(image, 8)[0, 0, 1:3, 0:2, 3:5]
    assert local[0, 1, 0, 3].item() == pytest.approx(float(torch.sin(window.mean())), abs=1e-5)


def test_a_map_of_one_element_and_a_real_model() -> None:
    torch.manual_seed(0)
    real = AlignmentModel(encoder_options={"channels": [2, 4, 8]}, dimension=16).eval()
    for shape in ((4, 4, 4), (12, 8, 4)):
        maps = similarity_maps(
            real, np.random.default_rng(0).normal(size=shape).astype(np.float32), np.eye(3, 16, dtype=np.float32)
        )
        assert maps.shape == (3, *shape) and torch.isfinite(maps).all() and maps.abs().max() <= 1 + 1e-5

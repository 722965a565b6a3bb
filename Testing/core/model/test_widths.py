"""Sizes of encoders: which option is widened, in which steps, and that the network can be built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.errors import UsageError
from vlp3d_core.model.encoders import build_encoder, parameters_in
from vlp3d_core.model.widths import widened


@pytest.mark.parametrize(
    ("encoder", "options", "size", "expected"),
    [
        ("residual-unet", {"channels": [8, 32, 64, 128]}, 0.5, {"channels": [8, 16, 32, 64]}),
        ("residual-unet", {"channels": [4, 10]}, 1, {"channels": [4, 10]}),
        ("residual-unet", {}, 2, {"channels": [32, 64, 128, 192, 256]}),
        ("swin-unetr", {"window": 4}, 0.5, {"window": 4, "feature_size": 24}),
        ("swin-unetr", {}, 0.7, {"feature_size": 24}),  # 33.6 is no multiple of its three heads
        ("resnet-50", {"width": 16}, 1.5, {"width": 24}),
    ],
)
def test_what_a_size_changes(encoder: str, options: dict, size: float, expected: dict) -> None:
    before = dict(options)
    assert widened(encoder, options, size) == expected
    assert options == before


@pytest.mark.parametrize(("encoder", "options"), [("swin-unetr", {"window": 2}), ("resnet-50", {"width": 16})])
def test_a_wider_network_can_be_built(encoder: str, options: dict) -> None:
    narrow, wide = (parameters_in(build_encoder(encoder, **widened(encoder, options, s))) for s in (0.5, 1))  # type: ignore[arg-type]
    assert narrow < 0.5 * wide


@given(st.lists(st.integers(8, 256), min_size=2, max_size=5), st.floats(0.5, 8))
def test_channels_are_the_nearest_multiples(channels: list[int], size: float) -> None:
    after = widened("residual-unet", {"channels": channels}, size)["channels"]
    if size != 1:
        assert all(n % 8 == 0 and n > 0 for n in after)
        assert all(abs(n - size * before) <= 4 for n, before in zip(after, channels, strict=True))


def test_no_channels_are_left() -> None:
    with pytest.raises(UsageError, match=r"0\.4 leaves no channels of \[8, 32\]"):
        widened("residual-unet", {"channels": [8, 32]}, 0.4)


def test_an_encoder_of_no_known_width() -> None:
    with pytest.raises(UsageError, match="cannot be changed"):
        widened("unicorn", {}, 2)

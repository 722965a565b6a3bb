"""Wider and narrower encoders: the options of an encoder with its channel numbers multiplied."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from vlp3d_core.errors import UsageError
from vlp3d_core.model.encoders import ENCODERS

MULTIPLE = 8
"""Channel numbers are multiples of this, which is what hardware computes fast."""
WIDTHS = {"residual-unet": "channels", "swin-unetr": "feature_size", "resnet-50": "width"}
"""Encoder → the option that holds its channel numbers; all others of its layers follow from it."""


def widened(encoder: str, options: Mapping[str, Any], size: float) -> dict[str, Any]:
    """The options with channel numbers `size` times as large, rounded to multiples (halves up); depth stays.

    A size of 1 changes nothing, multiples or not. The Swin transformer keeps its numbers of heads, so that its channels
    also stay multiples of those.

    Raises:
        UsageError: the encoder is unknown here, or channels would be 0.
    """
    if size == 1:
        return dict(options)
    if encoder not in WIDTHS:
        raise UsageError(f"The width of the encoder {encoder} cannot be changed.", f"Use {', '.join(WIDTHS)}.")
    name = WIDTHS[encoder]
    before = _option(encoder, options, name)
    step = _swin_step(_option(encoder, options, "heads")) if encoder == "swin-unetr" else MULTIPLE
    numbers = before if isinstance(before, (list, tuple)) else [before]
    after = [step * math.floor(n * size / step + 0.5) for n in numbers]
    if min(after) < 1:
        raise UsageError(
            f"The size {size:g} leaves no channels of {before} ({name} of {encoder}, in multiples of {step}).",
            "Choose a larger size, or a wider recipe.",
        )
    return {**options, name: after if isinstance(before, (list, tuple)) else after[0]}


def _option(encoder: str, options: Mapping[str, Any], name: str) -> Any:
    """As given, or the encoder's own default."""
    return options[name] if name in options else inspect.signature(ENCODERS[encoder]).parameters[name].default


def _swin_step(heads: list[int]) -> int:
    """Stage n has 2^n times the channels, and they are shared out evenly among its heads."""
    return math.lcm(MULTIPLE, *(h // math.gcd(h, 2**n) for n, h in enumerate(heads)))

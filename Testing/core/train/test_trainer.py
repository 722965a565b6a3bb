"""What the Trainer of a run is made with."""

from __future__ import annotations

import pytest
import torch

from vlp3d_core.model.devices import Device
from vlp3d_core.train import trainer
from vlp3d_core.train.trainer import precision_for


@pytest.mark.parametrize(("dtype", "expected"), [(torch.bfloat16, "bf16-mixed"), (torch.float32, "32-true")])
def test_auto_precision_is_the_device_s_own(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, expected: str) -> None:
    """A CPU without AMX or AVX512-BF16 emulates bfloat16: one step took minutes there."""
    monkeypatch.setattr(trainer, "choose_device", lambda: Device("cpu", dtype))
    assert precision_for("auto") == expected
    assert precision_for("16-mixed") == "16-mixed", "what the recipe says counts"

"""Devices by name, and how much memory is left on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlp3d_core.errors import UsageError
from vlp3d_core.model import free_memory
from vlp3d_core.model.devices import choose_device


def test_the_cpu_is_always_there() -> None:
    device = choose_device("cpu")
    assert device.torch == torch.device("cpu")
    assert device.dtype in (torch.float32, torch.bfloat16)
    assert str(device).startswith("cpu (")
    assert device.free_bytes() > 0


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_best(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device().kind == chosen


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=name) as caught:
        choose_device(name)
    assert "cpu" in caught.value.remedy


def test_a_name_that_is_no_device() -> None:
    with pytest.raises(UsageError, match="tpu"):
        choose_device("tpu")


def test_a_container_has_less_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path)
    assert choose_device("cpu").free_bytes() == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert choose_device("cpu").free_bytes() > 400_000

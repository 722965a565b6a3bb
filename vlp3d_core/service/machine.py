"""What the worker runs on: versions, devices, memory."""

from __future__ import annotations

import platform
from typing import Any

import psutil
import torch

import vlp3d_core
from vlp3d_core.model.devices import Device, choose_device


def describe() -> dict[str, Any]:
    """The result of `hello`; the first device is the one that "auto" means."""
    best = choose_device("auto")
    kinds = dict.fromkeys([best.kind, *(("cuda",) if torch.cuda.is_available() else ()), "cpu"])
    return {
        "version": vlp3d_core.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "devices": [_device(choose_device(kind)) for kind in kinds],
        "memory": {
            "free_bytes": choose_device("cpu").free_bytes(),
            "total_bytes": int(psutil.virtual_memory().total),
        },
    }


def _device(device: Device) -> dict[str, Any]:
    total = int(psutil.virtual_memory().total)
    if device.kind == "cuda":
        total = int(torch.cuda.mem_get_info()[1])
    return {"name": device.kind, "title": _title(device), "free_bytes": device.free_bytes(), "total_bytes": total}


def _title(device: Device) -> str:
    if device.kind == "cuda":
        return torch.cuda.get_device_name()
    if device.kind == "mps":
        return "Apple GPU"
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return f"{name} ({torch.get_num_threads()} threads)"

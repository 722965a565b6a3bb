"""Where the network runs: which device, which number format, how much memory is free there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vlp3d_core.errors import UsageError
from vlp3d_core.model.free_memory import free_memory

CHOICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Device:
    """A device and the number format that the network runs in there."""

    kind: str
    dtype: torch.dtype

    @property
    def torch(self) -> torch.device:
        return torch.device(self.kind)

    def free_bytes(self) -> int:
        """Memory that a run could take now."""
        if self.kind == "cuda":
            return int(torch.cuda.mem_get_info()[0])
        return free_memory()

    def __str__(self) -> str:
        return f"{self.kind} ({str(self.dtype).removeprefix('torch.')})"


def choose_device(name: str = "auto") -> Device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    bfloat16 is used where the hardware computes in it (CUDA from Ampere on, CPUs with AMX or AVX512-BF16).

    Raises:
        UsageError: unknown name, or a device that this machine does not have.
    """
    if name not in CHOICES:
        raise UsageError(f"There is no device {name!r}.", f"Choose one of: {', '.join(CHOICES)}.")
    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if have[kind])
    if not have[name]:
        raise UsageError(f"This computer has no {name} device that PyTorch can use.", "Use --device cpu or auto.")
    return Device(name, torch.bfloat16 if _bfloat16(name) else torch.float32)


def _bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False

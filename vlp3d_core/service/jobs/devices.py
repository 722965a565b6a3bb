"""The devices of this computer that jobs queue for, without torch; how much of their memory is free."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vlp3d_core.errors import UsageError
from vlp3d_core.service.jobs.queue import Queue
from vlp3d_core.service.jobs.spec import JobSpec

NVIDIA = Path("/proc/driver/nvidia/gpus")
DEFAULT_GB = 1.0
"""Free memory that a job waits for when it does not say what it needs."""
GB = 1e9


@dataclass(frozen=True)
class Memory:
    """Of one device, in bytes."""

    free: float
    total: float


def choose(root: Path, spec: JobSpec) -> str:
    """The device whose queue a job joins: the CPU, or the GPU with the fewest jobs.

    Raises:
        UsageError: this computer does not have what the job asks for.
    """
    gpus, wanted = gpu_numbers(), spec.resources.gpus
    if wanted == 0 or (wanted is None and not gpus):
        return "cpu"
    if not gpus:
        raise UsageError(f"The job asks for {wanted} GPUs, and this computer has none.", 'Set "gpus" to 0.')
    if (wanted or 1) > 1:
        raise UsageError(
            f"The job asks for {wanted} GPUs, and on this computer a job gets one.",
            'Set "gpus" to 1, or use `vlp3d finetune` and `pretrain` with devices=N directly.',
        )
    return min((f"gpu{number}" for number in gpus), key=lambda device: len(Queue(root, device).tickets()))


def gpu_numbers() -> list[str]:
    """Of NVIDIA's; those that CUDA_VISIBLE_DEVICES allows where it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [number.strip() for number in visible.split(",") if number.strip().isdecimal()]
    try:  # quicker than asking the driver, which may take more than a second
        return [str(number) for number in range(len(os.listdir(NVIDIA)))]
    except OSError:
        return [] if os.name != "nt" else _asked("index")


def environment_on(device: str) -> dict[str, str]:
    """What makes a command use that device and no other."""
    return {"CUDA_VISIBLE_DEVICES": device.removeprefix("gpu") if device != "cpu" else ""}


def memory_of(device: str) -> Memory | None:
    """None where the driver does not say."""
    if device == "cpu":
        from vlp3d_core.model.free_memory import free_memory, total_memory

        return Memory(free_memory(), total_memory())
    rows = _asked("memory.free,memory.total", device.removeprefix("gpu"))
    try:
        free, total = (float(text) * 2**20 for text in rows[0].split(","))
    except (IndexError, ValueError):
        return None
    return Memory(free, total)


def _asked(query: str, number: str = "") -> list[str]:
    """Rows of nvidia-smi; none where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    which = ["-i", number] if number else []
    command = [program, f"--query-gpu={query}", "--format=csv,noheader,nounits", *which]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines()] if done.returncode == 0 else []

"""What a run is computed with: hardware, versions, and the state of the source."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

from vlp3d_core import __version__

PACKAGE = Path(__file__).parents[1]
PACKAGES = ("torch", "lightning", "monai", "numpy", "transformers", "safetensors")


def hardware() -> dict[str, Any]:
    """CPU model, cores, threads of torch, memory in bytes, names of the GPUs."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Of this package, Python, and the libraries that decide results."""
    found = {"vlp3d_core": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a copy without metadata
            continue
    return found


def source_state(package: Path = PACKAGE) -> dict[str, Any] | None:
    """Commit of the package's checkout, and whether tracked files differ from it; None where it is not in one.

    A package that lies in somebody else's repository (an environment within a project) is not in a checkout of its own.
    """
    try:
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(package, "rev-parse", "HEAD").strip()
        changed = _git(package, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


def _cpu() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        named = None
    return named[1].strip() if named else platform.processor() or platform.machine()

"""From any exception in the worker to one sentence and a remedy."""

from __future__ import annotations

import re
import sys

from vlp3d_core.errors import MedVLPError

INSTALL = "Install what MedVLP needs: the panel in 3D Slicer offers it, elsewhere `pip install vlp3d-core` does it."
MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate|cannot allocate|failed to allocate|bad_?alloc", re.I
)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch has its own exception on a GPU; on a CPU, and in ITK, it is a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and bool(MEMORY.search(str(error)))


def explain(error: BaseException) -> MedVLPError:
    """The error that a person should read in place of `error`."""
    if isinstance(error, MedVLPError):
        return error
    if out_of_memory(error):
        return MedVLPError(
            "There is not enough memory for this.",
            "Close other programs, choose a smaller region of interest or a smaller tile, or use another device.",
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return missing(error.name.partition(".")[0], sys.executable)
    text = " ".join(str(error).split())[:300]
    if isinstance(error, ImportError):
        return MedVLPError(f"A package of {sys.executable} cannot be loaded: {text.rstrip('.')}.", INSTALL)
    name = type(error).__name__
    return MedVLPError(
        f"The worker failed: {name}{': ' if text else ''}{text.rstrip('.')}.", "Its details show where it failed."
    )


def missing(package: str, python: str) -> MedVLPError:
    """The error for a Python that lacks a package."""
    return MedVLPError(f"The Python package {package} is not installed in {python}.", INSTALL)

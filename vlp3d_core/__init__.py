"""The engine of MedVLP: 3D vision-language models for medical volumes, without 3D Slicer.

Importing this package is cheap: the names below load what they need (torch, SimpleITK, ...) when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlp3d_core.predict import load_model
    from vlp3d_core.volume import read_volume, write_segmentation

__version__ = "0.1.0"
__all__ = ["__version__", "load_model", "read_volume", "write_segmentation"]

_HOMES = {
    "load_model": "vlp3d_core.predict",
    "read_volume": "vlp3d_core.volume",
    "write_segmentation": "vlp3d_core.volume",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

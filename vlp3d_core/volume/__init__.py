"""Volumes: read, write, orient, resample, normalise; DICOM in and out. Knows nothing of models and never loads torch.

Importing this package is cheap: a name loads its module, and the libraries behind it, when first asked for.
`resample` and `resample_labels` are imported from their modules of the same name: a lazy name must not be a module's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlp3d_core.volume.dicom import Series, list_series
    from vlp3d_core.volume.grid import Grid, model_grid
    from vlp3d_core.volume.normalise import Normalisation
    from vlp3d_core.volume.read import read_volume
    from vlp3d_core.volume.segmentation import Code, Segment, Segmentation
    from vlp3d_core.volume.volume import Source, Volume
    from vlp3d_core.volume.write import check_writable, write_segmentation

__all__ = [
    "Code",
    "Grid",
    "Normalisation",
    "Segment",
    "Segmentation",
    "Series",
    "Source",
    "Volume",
    "check_writable",
    "list_series",
    "model_grid",
    "read_volume",
    "write_segmentation",
]

_HOMES = {
    "dicom": ("Series", "list_series"),
    "grid": ("Grid", "model_grid"),
    "normalise": ("Normalisation",),
    "read": ("read_volume",),
    "segmentation": ("Code", "Segment", "Segmentation"),
    "volume": ("Source", "Volume"),
    "write": ("check_writable", "write_segmentation"),
}


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

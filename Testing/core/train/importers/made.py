"""Small volumes on disk, and a manifest of a folder that was looked through as before a run."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from vlp3d_core.train.importers.registry import LAYOUTS
from vlp3d_core.train.importers.request import Request
from vlp3d_core.train.inspect import inspect_manifest
from vlp3d_core.train.manifest import Case, write_manifest

SHAPE = (6, 5, 4)


def image(path: Path, channels: int = 1, spacing: Sequence[float] = (2, 2, 3)) -> Path:
    """Noise between -1000 and 1000, another one for every name; (I, J, K), with channels (I, J, K, C)."""
    rng = np.random.default_rng(zlib.crc32(str(path).encode()))
    return _write(path, rng.integers(-1000, 1000, (channels, *SHAPE[::-1])).astype(np.int16), spacing)


def labels(path: Path, *values: int, spacing: Sequence[float] = (2, 2, 3)) -> Path:
    """A label map with one voxel of each value."""
    array = np.zeros((1, *SHAPE[::-1]), np.uint8)
    array.flat[: len(values)] = values
    return _write(path, array, spacing)


def _write(path: Path, array: np.ndarray, spacing: Sequence[float]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    one = len(array) == 1
    written = sitk.GetImageFromArray(array[0] if one else array, isVector=False)
    written.SetSpacing([*map(float, spacing), *([] if one else [1.0])])
    sitk.WriteImage(written, str(path))
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def request(folder: Path, **settings: object) -> Request:
    return Request(folder, folder.with_name(f"{folder.name}-volumes"), **settings)  # type: ignore[arg-type]


def build(name: str, folder: Path, **settings: object) -> tuple[dict[str, Case], str]:
    """Cases by the name of their image, as they are read back, and all notes; every file was opened without error."""
    collected = LAYOUTS[name].read(request(folder, **settings))
    manifest = folder.with_name("m.jsonl")
    write_manifest(collected.cases, manifest)
    cases, remarks = inspect_manifest(manifest)
    assert [r for r in remarks if r.level == "error"] == []
    assert list(collected.cases) == cases and all(case.image.is_absolute() for case in cases)
    return {case.image.name: case for case in cases}, "\n".join(collected.notes)

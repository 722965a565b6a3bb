"""Voxels between two processes: raw little-endian files in a private folder, mapped into memory by whoever reads.

They are written through the file, not through a mapping: on a full disk a write fails with an error, where a mapping
ends the process. No compression and no pickle. Whoever reads a file deletes it.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.protocol import Garbage, text_of

NAME = re.compile(r"[a-z][a-z0-9-]{0,40}\.raw")
"""A name in the folder: nothing with a separator, a drive or a dot in front."""
TYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
MAX_VOXELS = 1 << 40


def write_array(folder: Path, name: str, array: NDArray[Any]) -> dict[str, Any]:
    """Write a 3D array as it lies in memory; no copy is made where planes of it are contiguous.

    Args:
        name: of the new file in the folder, as `NAME` wants it.

    Returns:
        What `take_array` needs, ready for JSON.

    Raises:
        MedVLPError: the voxels are not real numbers, or the folder cannot be written (full, gone).
    """
    kind = stored_type(array.dtype)
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    path = folder / name
    try:
        with path.open("xb") as file:
            for plane in array.transpose(axes):
                file.write(np.ascontiguousarray(plane, kind).data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise MedVLPError(
            f"The voxels cannot be written to the temporary folder {folder}: {error.strerror or error}.",
            "Free some space there, or name another folder in TMPDIR (on Windows in TEMP).",
        ) from error
    return {"file": name, "type": kind.str.lstrip("|"), "shape": list(array.shape), "axes": axes}


def stored_type(kind: np.dtype[Any]) -> np.dtype[Any]:
    """The type that an array travels in: its own where there is no reason against it.

    Raises:
        MedVLPError: complex numbers, colours, texts.
    """
    if kind.kind == "b":
        return np.dtype("u1")
    if kind.kind in "iuf":
        little = kind.newbyteorder("<")
        return little if little.str.lstrip("|") in TYPES else np.dtype("<f8")
    raise MedVLPError(f"The voxels are {kind}, not one real number each.", "Give a scalar volume.")


def take_array(folder: Path, told: Any) -> NDArray[Any]:
    """The array in a file, read-only for the file: what is written into it stays in this process. The file is deleted.

    On POSIX the memory stays mapped; where a mapped file cannot be deleted (Windows) its content is copied.

    Args:
        told: what `write_array` returned, or anything else: it came from outside.

    Returns:
        An array of the shape and memory order that was written.

    Raises:
        Garbage: `told` is none of ours, or the file is not of the size that it says.
    """
    path, kind, shape, axes = _checked(folder, told)
    try:
        if path.stat().st_size != math.prod(shape) * kind.itemsize:
            raise Garbage(f"{path.name} does not have the size that was said.")
        stored: NDArray[Any] = np.memmap(path, kind, "c", shape=tuple(shape[axis] for axis in axes))
        stored = stored.view(np.ndarray)
        try:
            path.unlink()
        except PermissionError:
            stored = np.array(stored)
            path.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, Garbage):
            path.unlink(missing_ok=True)
            raise
        raise Garbage(f"{path.name} cannot be read ({error}).") from error
    return stored.transpose(np.argsort(axes))


def discard(folder: Path, message: Any) -> None:
    """Delete the files of every array that a message names, as far as they are there."""
    for name in _files(message):
        with contextlib.suppress(OSError):  # the folder goes later, and the file with it
            (folder / name).unlink(missing_ok=True)


def _files(message: Any) -> Iterator[str]:
    if isinstance(message, dict):
        name = message.get("file")
        if isinstance(name, str) and NAME.fullmatch(name):
            yield name
        message = list(message.values())
    if isinstance(message, (list, tuple)):
        for item in message:
            yield from _files(item)


def _checked(folder: Path, told: Any) -> tuple[Path, np.dtype[Any], tuple[int, ...], tuple[int, ...]]:
    if not isinstance(told, Mapping):
        raise Garbage("An array is missing.")
    name, kind = text_of(told, "file"), text_of(told, "type")
    if not NAME.fullmatch(name):
        raise Garbage(f"{name[:60]!r} is not a file of the private folder.")
    if kind not in TYPES:
        raise Garbage(f"{kind[:20]!r} is not a type of voxels.")
    shape, axes = _three(told.get("shape")), _three(told.get("axes"))
    if sorted(axes) != [0, 1, 2] or not 1 <= min(shape) <= max(shape) <= MAX_VOXELS:
        raise Garbage("The array is not three-dimensional.")
    return folder / name, np.dtype(kind), shape, axes


def _three(values: Any) -> tuple[int, int, int]:
    if not isinstance(values, list) or [type(value) for value in values] != [int, int, int]:
        raise Garbage("The array is not three-dimensional.")
    return values[0], values[1], values[2]

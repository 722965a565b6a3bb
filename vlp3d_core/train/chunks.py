"""Arrays on disk in compressed blocks, memory-mapped: a patch costs the blocks that it touches, not the volume.

The format is Blosc2's (a contiguous frame, `.b2nd`), as nnU-Net uses it; other programs open it with `blosc2.open`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

CHUNK, BLOCK = 128, 32
"""Edges in voxels. A block of float16 is 64 KiB and stays in a core's cache while it is unpacked."""


def write_chunks(path: Path, array: NDArray[Any]) -> None:
    """Write an array; the file replaces a former one in one step.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    chunks = tuple(min(CHUNK, n) for n in array.shape)
    blocks = tuple(min(BLOCK, n) for n in array.shape)
    packed = blosc2.asarray(
        np.ascontiguousarray(array),
        chunks=chunks,
        blocks=blocks,
        cparams=blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=1, typesize=array.dtype.itemsize),
    )
    with replacing(path) as temporary:
        temporary.write_bytes(packed.to_cframe())


def open_chunks(path: Path) -> blosc2.NDArray:
    """The array of such a file; indexing it reads and unpacks what is asked for, as a numpy array.

    Raises:
        MedVLPError: the file is damaged.
    """
    try:
        # One thread: loaders are processes of their own, and compete for the cores already.
        opened = blosc2.open(str(path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))
    except (RuntimeError, OSError, ValueError) as error:
        raise MedVLPError(f"{path} cannot be read: {error}.", "Delete it; it is made anew.") from error
    return opened

"""Whether a file that ITK wrote is complete. On a full disk its NRRD and zlib writers stop early and say nothing."""

from __future__ import annotations

import re
from pathlib import Path

from vlp3d_core.errors import MedVLPError

NIFTI_HEADER = 352


def check_complete(temporary: Path, path: Path, voxel_bytes: int) -> None:
    """Hold a compressed file's own length against the voxels that it should hold; costs two small reads.

    Args:
        temporary: the file: NRRD or `.gz` compressed by gzip, `.mha` by zlib, or `.nii` not at all.
        path: the name that it will get, for the message.
        voxel_bytes: size of the voxels, not compressed.

    Raises:
        MedVLPError: something is missing.
    """
    size = temporary.stat().st_size
    name = temporary.name.lower()
    with temporary.open("rb") as file:
        if name.endswith(".mha"):
            stored = re.search(rb"CompressedDataSize = (\d+)", file.read(4096))
            complete = stored is not None and size > int(stored[1])
        elif name.endswith(".nii"):
            complete = size >= NIFTI_HEADER + voxel_bytes
        else:
            # gzip ends with the length of what it holds, modulo 2^32 (RFC 1952).
            file.seek(max(0, size - 4))
            expected = voxel_bytes + (NIFTI_HEADER if name.endswith(".gz") else 0)
            complete = int.from_bytes(file.read(4), "little") == expected % 2**32
    if not complete:
        raise MedVLPError(f"Cannot write {path}: the disk refused the data.", "Choose a folder that has free space.")

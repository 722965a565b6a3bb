"""Writing files so that nobody ever meets half of one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlp3d_core.errors import MedVLPError

TEMPORARY = ".vlp3d-"
"""How the names of files begin that are still being written; one that nobody writes any more may be removed."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the whole ending (`.seg.nrrd`, `.nii.gz`), because writers choose the format by it.

    Raises:
        MedVLPError: the folder is missing, read-only or full.
    """
    path = Path(path)
    handle_path: Path | None = None
    try:
        # A short name of its own: a very long file name plus a suffix could pass the file system's limit.
        ending = "".join(path.suffixes[-2:])
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=ending, dir=path.parent)
        os.close(handle)
        handle_path = Path(name)
        yield handle_path
        # mkstemp makes private files; results get the permissions that any other new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(handle_path, 0o666 & ~mask)
        os.replace(handle_path, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MedVLPError(
            f"Cannot write {path}: {reason}.", "Choose a folder that exists, is writable and has free space."
        ) from error
    finally:
        if handle_path is not None:
            handle_path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        MedVLPError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cause = f"Cannot make the folder {folder}: {error.strerror or error}."
        raise MedVLPError(cause, "Choose another folder.") from error
    if not os.access(folder, os.W_OK):
        raise MedVLPError(f"Nothing can be written into the folder {folder}.", "Choose another folder.")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

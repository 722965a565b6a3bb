"""Locks on files that the system itself takes back when their owner is gone, however it went.

Process numbers would not do: they are given to others after a while.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vlp3d_core.errors import MedVLPError


def locked(file: IO[bytes]) -> bool:
    """Take the lock of an open file until it is closed; False when another owner has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def holding(path: Path, seconds: float = 10.0) -> Iterator[None]:
    """Hold the lock of a file, made where it is not there, within the block.

    Raises:
        MedVLPError: the file cannot be opened, or somebody else holds it for longer than `seconds`.
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise MedVLPError(
            f"Cannot open {path}: {error.strerror}.", "Check that its folder is there and that you may write to it."
        ) from error
    with file:
        end = time.monotonic() + seconds
        while not locked(file):
            if time.monotonic() > end:
                raise MedVLPError(f"{path} is held by another program.", "Wait until that one is done.")
            time.sleep(0.005)
        yield

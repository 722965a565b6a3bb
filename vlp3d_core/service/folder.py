"""The private folder of one worker, through which voxels travel; removed by whoever is left.

A lock in it tells that its owner lives.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.locks import locked

PREFIX = "medvlp-worker-"
LOCK = "owner.lock"
YOUNG = 60.0
"""Seconds in which a folder may be without its lock because it is just being made."""


class PrivateFolder:
    """A new folder in the system's temporary folder that nobody else can look into.

    Attributes:
        path: where it is.

    Raises:
        MedVLPError: there is no temporary folder that can be written.
    """

    def __init__(self) -> None:
        try:
            parent = Path(tempfile.gettempdir())
            sweep(parent)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            self._lock: IO[bytes] | None = (self.path / LOCK).open("wb")
        except OSError as error:
            where = tempfile.tempdir or "temporary folder"
            raise MedVLPError(
                f"The temporary folder {where} cannot be written: {error.strerror or error}.",
                "Free some space there, or name another folder in TMPDIR (on Windows in TEMP), and start again.",
            ) from error
        locked(self._lock)

    def remove(self) -> None:
        """Delete it and what it holds; nothing happens when it is gone already."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Delete folders whose owner and worker were both ended before they could do it themselves."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            facts = folder.lstat()
            if not folder.is_dir() or folder.is_symlink() or facts.st_mtime > time.time() - YOUNG:
                continue
            if hasattr(os, "getuid") and facts.st_uid != os.getuid():
                continue
            with (folder / LOCK).open("ab") as lock:
                orphaned = locked(lock)
            if orphaned:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue

"""Models as they come: folders and zips."""

from __future__ import annotations

import zipfile
from pathlib import Path

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.install import candidate


def zipped(folder: Path, top: str = "", **more: bytes) -> Path:
    """A zip of a folder's files, below `top`; further members by name."""
    path = folder.parent / "mödel 1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}{file.name}")
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def add(source: Path, name: str | None = None, replace: bool = False) -> Bundle:
    with candidate(source, name, replace) as found:
        return found.install()


def left(user: Path) -> list[str]:
    """What lies in the user's folder, temporary things included."""
    return sorted(p.name for p in user.iterdir()) if user.is_dir() else []

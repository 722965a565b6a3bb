"""The files of a model that came as a folder or as a zip: listed before anything is written, copied within limits."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.confine import REFUSED, check_twins, confined, shown

MAX_BYTES = 4_000_000_000
"""Of all files together: far above any segmentation network, far below what fills a disk."""
MAX_FILES = 10_000
_BLOCK = 1 << 20
_IGNORED = "__MACOSX"
"""The folder that macOS puts beside the content of the zips that it makes."""


@dataclass
class Package:
    """The files of a model, not copied yet.

    Attributes:
        source: the folder or zip.
        sizes: path of each file below the model's own top folder → bytes, as declared.
    """

    source: Path
    sizes: dict[PurePosixPath, int]
    _places: dict[PurePosixPath, str] = field(repr=False)
    _archive: zipfile.ZipFile | None = field(repr=False, default=None)

    def __contains__(self, name: str) -> bool:
        return PurePosixPath(name) in self.sizes

    def copy(self, names: Sequence[str | PurePosixPath], into: Path) -> int:
        """Copy these files below `into`; returns their bytes.

        Raises:
            MedVLPError: one of them is damaged, is larger than it says, is a link, or does not fit on the disk.
        """
        total = 0
        for name in map(PurePosixPath, names):
            target = into.joinpath(*name.parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with self._open(name) as source, target.open("xb") as out:
                    total += _copy(source, out, min(self.sizes[name], MAX_BYTES - total), name)
            except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
                raise _damaged(self.source, f"{shown(str(name))}: {error}") from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise MedVLPError(
                    f"Cannot copy {name} of {self.source}: {reason}.", "Free space, or check the file."
                ) from error
        return total

    def _open(self, name: PurePosixPath) -> IO[bytes]:
        if self._archive is not None:
            return self._archive.open(self._places[name])
        # O_NOFOLLOW: the file may have become a link since it was listed.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self._places[name], flags), "rb")


@contextmanager
def package(source: str | Path, marks: Sequence[str]) -> Iterator[Package]:
    """List the files of a folder or zip whose top holds one of the `marks` ("bundle.json"); nothing is written.

    The top is the folder or archive itself or the one folder in it that holds a mark.

    Raises:
        UsageError: there is no such file or folder.
        MedVLPError: no zip, damaged, too large, with names that lead elsewhere, with links, or without a mark.
    """
    source = Path(source)
    if os.path.isdir(source):
        yield _top(source, _listed(source), marks, None)
        return
    if not os.path.isfile(source):
        raise UsageError(f"There is no file or folder {source}.", "Name the folder or zip of a model.")
    try:
        size = source.stat().st_size
        if size > MAX_BYTES:
            raise _too_large(source, size)
        archive = zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:
        raise MedVLPError(
            f"{source} is no zip, or is cut short.", "Name the folder or zip of a model; load it again."
        ) from error
    except (OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise _damaged(source, str(error)) from error
    with archive:
        yield _top(source, _entries(source, archive), marks, archive)


Listed = list[tuple[PurePosixPath, int, str]]
"""Path, bytes, and where it is: a path on disk or a name in the archive."""


def _entries(source: Path, archive: zipfile.ZipFile) -> Listed:
    infos = archive.infolist()
    if len(infos) > MAX_FILES:
        raise MedVLPError(f"{source} holds {len(infos)} files, which is too many for a model.", REFUSED)
    out: Listed = []
    for info in infos:
        path = confined(info.orig_filename)  # `filename` is what zipfile made of it
        if path.parts[0] == _IGNORED:
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise MedVLPError(f"{source} holds {shown(str(path))}, which is a link or a device.", REFUSED)
        if info.flag_bits & 1:
            raise MedVLPError(f"{source} is encrypted.", "Unpack it and name the folder.")
        if not info.is_dir():
            out.append((path, info.file_size, info.filename))
    check_twins(path for path, _, _ in out)
    return out


def _listed(source: Path) -> Listed:
    """Files of a folder down to the third level: a bundle is no deeper, and the folder may be somebody's home."""
    out: Listed = []
    for here, folders, names in os.walk(source):
        depth = len(Path(here).relative_to(source).parts)
        folders[:] = [] if depth >= 2 else [f for f in folders if not os.path.islink(os.path.join(here, f))]
        for name in names:
            place = os.path.join(here, name)
            if stat.S_ISREG(os.lstat(place).st_mode):
                out.append((PurePosixPath(Path(place).relative_to(source).as_posix()), os.path.getsize(place), place))
        if len(out) > MAX_FILES:
            raise MedVLPError(f"{source} holds more than {MAX_FILES} files.", "Name the folder of one model.")
    return out


def _top(source: Path, listed: Listed, marks: Sequence[str], archive: zipfile.ZipFile | None) -> Package:
    paths = {path for path, _, _ in listed}
    tops = {
        top
        for top in (PurePosixPath(), *{PurePosixPath(p.parts[0]) for p in paths})
        if any(top / m in paths for m in marks)
    }
    if PurePosixPath() in tops:
        tops = {PurePosixPath()}
    if not tops:
        raise MedVLPError(
            f"{source} holds no model: neither {' nor '.join(marks)} is in it.", "Name a model's folder or zip."
        )
    if len(tops) > 1:
        some = ", ".join(sorted(map(str, tops))[:5])
        raise MedVLPError(f"{source} holds several models ({some}).", "Name one of them.")
    (top,) = tops
    files = [(path.relative_to(top), size, place) for path, size, place in listed if path.is_relative_to(top)]
    if archive is not None and sum(size for _, size, _ in files) > MAX_BYTES:
        raise _too_large(source, sum(size for _, size, _ in files))
    return Package(source, {p: s for p, s, _ in files}, {p: place for p, _, place in files}, archive)


def _copy(source: IO[bytes], out: IO[bytes], most: int, name: PurePosixPath) -> int:
    """Bytes copied. What a file says of its own size is a promise and is held against what comes."""
    count = 0
    while block := source.read(_BLOCK):
        count += len(block)
        if count > most:
            raise MedVLPError(f"{shown(str(name))} is larger than it says, or too large.", REFUSED)
        out.write(block)
    return count


def free_for(folder: Path, size: int) -> None:
    """Raise MedVLPError where the disk of `folder` has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise MedVLPError(
            f"The model needs {size / 1e6:.0f} MB and {free / 1e6:.0f} MB are free at {folder}.", "Free space."
        )


def _too_large(source: Path, size: int) -> MedVLPError:
    return MedVLPError(f"{source} holds {size / 1e9:.1f} GB; a model has {MAX_BYTES / 1e9:.0f} GB at most.", REFUSED)


def _damaged(source: Path, why: str) -> MedVLPError:
    return MedVLPError(f"{source} is damaged ({' '.join(why.split())[:200].rstrip('.')}).", "Load it again.")

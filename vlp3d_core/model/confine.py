"""Names of files that came from elsewhere: which of them stay inside the folder that they are put into, everywhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from vlp3d_core.errors import MedVLPError

LONGEST_PART = 200
"""Bytes in UTF-8 of one part of a name; file systems allow 255, and temporary names are longer."""
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{d}{n}" for d in ("com", "lpt") for n in "123456789¹²³"),
}
_FORBIDDEN = '\\:*?"<>|'
"""Not in file names on Windows. A backslash is a separator there, a colon makes a drive or a second stream."""


def confined(name: str) -> PurePosixPath:
    """The relative path that a name in an archive means; a trailing slash (a folder) is dropped.

    Names are judged by the rules of Linux, macOS and Windows at once: an archive that is fine here and an attack there
    is no archive to pass on.

    Raises:
        MedVLPError: absolute, with a drive letter, `..`, a backslash, a control character, a name that Windows keeps
            for a device, or too long.
    """
    parts = name.removesuffix("/").split("/")
    for part in parts:
        reason = _wrong(part)
        if reason:
            raise MedVLPError(f"The archive holds the name {shown(name)}, which {reason}.", REFUSED)
    return PurePosixPath(*parts)


REFUSED = "Nothing was installed; ask whoever made the file for a correct one."


def check_twins(paths: Iterable[PurePosixPath]) -> None:
    """Raise MedVLPError where two names, or the folders in them, are one where case is ignored."""
    seen: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        for place in (path, *path.parents[:-1]):
            key = _folded(str(place))
            if seen.setdefault(key, str(place)) != str(place):
                _refuse_twins(seen[key], str(place))
        key = _folded(str(path))
        if key in files:
            _refuse_twins(str(path), str(path))
        files.add(key)
        folders.update(_folded(str(parent)) for parent in path.parents[:-1])
    both = files & folders
    if both:
        _refuse_twins(seen[min(both)], seen[min(both)])


def shown(name: str) -> str:
    """A name from elsewhere as it may stand in a message: quoted, escaped, not endless."""
    return repr(name) if len(name) <= 80 else repr(name[:77]) + "…"


def _refuse_twins(first: str, second: str) -> None:
    raise MedVLPError(f"The archive holds {shown(first)} and {shown(second)}, which are one name.", REFUSED)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _wrong(part: str) -> str:
    """Why a part of a name is refused, or ""."""
    if part in ("", ".", ".."):
        return "leads out of the folder" if part == ".." else "is no plain name"
    if any(ord(c) < 32 or ord(c) == 127 or c in _FORBIDDEN or "\ud800" <= c <= "\udfff" for c in part):
        return "is no plain name"
    if part[-1] in ". " or part.split(".")[0].rstrip(" ").casefold() in _DEVICES:
        return "is no file name on Windows"
    if len(part.encode("utf-8")) > LONGEST_PART:
        return "is too long"
    return ""

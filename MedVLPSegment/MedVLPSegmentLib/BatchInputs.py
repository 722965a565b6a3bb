"""Which scans lie in a folder, and what their results are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError

IMAGES = (".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd")
NOT_IMAGES = (
    ".seg.nrrd", ".img", ".img.gz", ".raw", ".raw.gz", ".zraw", ".json", ".csv", ".txt", ".md", ".pdf", ".png",
)  # fmt: skip
"""Files that need not be opened to know that they are no scans of their own."""


@dataclass(frozen=True)
class Scan:
    """One input.

    Attributes:
        path: an image file, or the folder of a DICOM series.
        name: path of the results below the output folder, "/" between folders, without an ending; unique.
        files: what it is read from.
        series: SeriesInstanceUID of a DICOM series, else None.
        error: why it cannot be read, where that is known already.
    """

    path: Path
    name: str
    files: tuple[Path, ...]
    series: str | None = None
    error: MedVLPError | None = None

    def fingerprint(self) -> str:
        """Changes when a file is added, removed or written again; opens none of them."""
        digest = hashlib.sha1((self.series or "").encode())
        for file in sorted(self.files):
            stat = file.stat()
            digest.update(f"{file.name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def findScans(folder: Path, leaveOut: Path) -> list[Scan]:
    """All scans in a folder and its subfolders, by name: image files, and DICOM series wherever their files lie.

    Scouts and single DICOM images are left out, hidden files too, and everything in `leaveOut` (the results).

    Raises:
        MedVLPError: the folder is missing or holds no scan.
    """
    if not folder.is_dir():
        raise MedVLPError(_("{folder} is not a folder.").format(folder=folder), _("Give a folder of scans."))
    images: list[Path] = []
    others: list[Path] = []
    for file in _filesBelow(folder, leaveOut):
        name = file.name.lower()
        if name.endswith(NOT_IMAGES):
            continue
        (images if name.endswith(IMAGES) else others).append(file)
    scans = [Scan(file, _stem(file, folder), (file,)) for file in images]
    scans += _dicomScans(folder, others)
    if not scans:
        raise MedVLPError(
            _("{folder} holds no scans.").format(folder=folder),
            _("Give a folder of NIfTI, NRRD or MetaImage files, or of DICOM series."),
        )
    return sorted(_distinct(scans, folder), key=lambda scan: scan.name)


def _filesBelow(folder: Path, leaveOut: Path) -> Iterator[Path]:
    without = leaveOut.resolve()
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(where, n).resolve() != without)
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _dicomScans(folder: Path, files: list[Path]) -> list[Scan]:
    """One scan for each series of images; one with an error for each folder that holds damaged files alone."""
    from vlp3d_core.volume.dicom_scan import read_header, scan

    good, broken = [], []
    for file in files:
        try:
            if read_header(file) is not None:
                good.append(file)
            elif file.suffix.lower() in (".dcm", ".dicom", ".ima"):
                broken.append(file)
        except Exception:  # pydicom's errors have no common base class
            broken.append(file)
    scans = []
    for group in scan(good)[0]:
        parts = tuple(dict.fromkeys(frame.file for frame in group.frames))
        if group.kind != "image" or len(group.frames) < 2 or all(frame.localiser for frame in group.frames):
            continue
        home = Path(os.path.commonpath([part.parent for part in parts]))
        scans.append(Scan(home, _stem(home, folder), parts, group.uid))
    for home in sorted({file.parent for file in broken} - {file.parent for file in good}):
        parts = tuple(file for file in broken if file.parent == home)
        error = MedVLPError(
            _("The DICOM files in {folder} are damaged.").format(folder=home), _("Copy or export them again.")
        )
        scans.append(Scan(home, _stem(home, folder), parts, None, error))
    return scans


def _stem(path: Path, folder: Path) -> str:
    """The path below the folder without the image's ending; the folder's own name for the folder itself."""
    name = path.relative_to(folder).as_posix()
    if name == ".":
        return folder.resolve().name or "scan"
    ending = next((e for e in sorted(IMAGES, key=len, reverse=True) if name.lower().endswith(e)), "")
    return name.removesuffix(name[len(name) - len(ending) :]) if ending and path.is_file() else name


def _distinct(scans: Iterable[Scan], folder: Path) -> list[Scan]:
    """Names that differ on every file system: where they do not, files keep their endings and series get more words."""
    scans = list(scans)
    count = Counter(scan.name.casefold() for scan in scans)
    named = []
    for scan in scans:
        if count[scan.name.casefold()] > 1:
            more = hashlib.sha1(scan.series.encode()).hexdigest()[:8] if scan.series else ""
            name = f"{scan.name}-{more}" if more else scan.path.relative_to(folder).as_posix().replace(".", "-")
            scan = replace(scan, name=name)
        named.append(scan)
    count = Counter(scan.name.casefold() for scan in named)
    return [
        replace(s, name=f"{s.name}-{hashlib.sha1(str(s.path).encode()).hexdigest()[:8]}")
        if count[s.name.casefold()] > 1
        else s
        for s in named
    ]

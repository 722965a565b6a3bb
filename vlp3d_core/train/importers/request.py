"""What every importer is given, and what it says of a folder that is not its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Cancel, Progress, check, never, silent


@dataclass(frozen=True)
class Request:
    """A folder to make a manifest of.

    Attributes:
        folder: the download, unpacked.
        out: folder for volumes that have to be converted; made when the first one is.
        seed: of splits that the data set does not have itself.
        channel: which one of a volume with several, by name; "" = the first.
        progress, cancel: told and asked while volumes are converted.
        expects: what the layout's folder holds, for errors.
    """

    folder: Path
    out: Path
    seed: int = 0
    channel: str = ""
    progress: Progress = silent
    cancel: Cancel = never
    expects: str = ""

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise MedVLPError(f"{self.folder} is not a folder.", "Give the folder that the data set was unpacked into.")
        # Manifests hold absolute paths: they may lie anywhere.
        object.__setattr__(self, "folder", self.folder.resolve())
        object.__setattr__(self, "out", self.out.resolve())

    def step(self, number: int, of: int) -> None:
        """Say that `number` of `of` volumes are converted, and stop where that is wished."""
        self.progress("converting", number / of)
        check(self.cancel)

    def misfit(self, problem: str) -> MedVLPError:
        """The error for a folder of another layout.

        Args:
            problem: one clause: what is missing or wrong.
        """
        return MedVLPError(f"{self.folder} does not have this layout: {problem}.", f"Expected: {self.expects}.")


def volumes_below(folder: Path, *endings: str) -> dict[str, Path]:
    """File name → path of all files with these endings, sorted; of two with one name the first.

    Hidden files are left out: archives packed on a Mac hold a `._name` beside each file.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.lower().endswith(endings) and not path.name.startswith("."):
            found.setdefault(path.name, path)
    return found


def inside(folder: Path, name: str) -> Path:
    """The file that a downloaded list names, which has to lie below `folder`.

    Raises:
        MedVLPError: the name leads out of the folder, or there is no such file.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        raise MedVLPError(f"{folder} lists {name}, which lies outside of it.", "Download the data set again.")
    path = folder / parts
    if not path.is_file():
        raise MedVLPError(f"{folder} lists {name}, which is missing.", "Unpack or download the data set again.")
    return path


def some(names: Iterable[str]) -> str:
    """The first five of some names, in words."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

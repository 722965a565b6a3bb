"""Options that several commands share, and the checks of them that cost nothing."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from vlp3d_core.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
Value = TypeVar("Value")
Roi = tuple[float, float, float, float, float, float]


def add_volume(parser: argparse.ArgumentParser) -> None:
    """The volume that a command reads."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="NIfTI, NRRD or MetaImage file, or a DICOM folder")
    parser.add_argument("--modality", metavar="CT", help="CT, MR, EM or PT, where the file does not say it or is wrong")
    parser.add_argument("--series", metavar="UID", help="which series of a DICOM folder")


def add_model(parser: argparse.ArgumentParser) -> None:
    """The model that a command runs."""
    parser.add_argument("--model", metavar="NAME|FOLDER", help="`vlp3d models` lists them; default: the one that fits")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: the fastest that is there")
    parser.add_argument("--tile", type=positive, metavar="N", help="largest tile edge in voxels; default: what fits")


def positive(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0 up."""
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def fraction(text: str) -> float:
    """A number above 0 and up to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0 and up to 1")
    return value


def several(kind: Callable[[str], Value]) -> Callable[[str], tuple[Value, ...]]:
    """Different values of that kind, separated by commas."""

    def read(text: str) -> tuple[Value, ...]:
        values = tuple(kind(part.strip()) for part in text.split(","))
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"{text} names a value twice")
        return values

    return read


def factor(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def box(text: str) -> Roi:
    """Six numbers in RAS mm, each pair ascending."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 6 or not all(map(math.isfinite, values)) or any(values[i] >= values[i + 1] for i in (0, 2, 4)):
        raise argparse.ArgumentTypeError(
            f"{text} is not x0,x1,y0,y1,z0,z1 in mm (right, anterior, superior positive), each first value smaller"
        )
    return values[0], values[1], values[2], values[3], values[4], values[5]


def check_distinct(source: Path, *outputs: Path | None) -> None:
    """Refuse to write over the input, or one output over another.

    Raises:
        UsageError: two of the paths are the same file.
    """
    seen = {_place(source): "the input"}
    for path in outputs:
        if path is None:
            continue
        if _place(path) in seen:
            raise UsageError(f"{path} would be written over {seen[_place(path)]}.", "Give it another name.")
        seen[_place(path)] = f"the result {path.name}"


def check_folders(outputs: Iterable[Path | None]) -> None:
    """Long work should not end at a folder that is not there, read-only, or at a name that is too long."""
    from vlp3d_core.volume.write import check_place

    for path in outputs:
        if path is not None:
            check_place(path)


def _place(path: Path) -> str:
    try:
        return os.path.normcase(os.path.realpath(path))
    except ValueError:  # a NUL in the name: whoever opens it says so
        return str(path)

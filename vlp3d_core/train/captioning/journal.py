"""Texts as they are made, one JSON line each beside the output: what is lost when a run is killed is one volume."""

from __future__ import annotations

import json
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.captioning.maker import CaptionMaker
from vlp3d_core.train.manifest import Case

ENDING = ".part"


class Journal:
    """The file `output` + ".part": a first line that says who writes, then image, report and caption a line.

    Args:
        output: the manifest that is being made.
        maker: who writes now.
        again: whether captions are made anew.

    Attributes:
        rows: what an interrupted run has left there, and what this one adds, by image.
        done: images of those rows that this very command made before it was interrupted.
    """

    def __init__(self, output: Path, maker: CaptionMaker, again: bool) -> None:
        self.path = output.with_name(output.name + ENDING)
        self._who = {"maker": maker.name, "version": maker.version, "settings": dict(maker.settings), "again": again}
        who, self.rows = _read(self.path)
        self._goes_on = who == self._who
        self.done = frozenset(self.rows) if self._goes_on else frozenset()
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, case: Case) -> None:
        """Keep one text.

        Raises:
            MedVLPError: the disk is full or the folder not writable.
        """
        row = {"image": str(case.image), "report": case.report, "caption": case.caption}
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            raise MedVLPError(
                f"Cannot write {self.path}: {error.strerror or error}.",
                "Choose a folder that exists, is writable and has free space.",
            ) from error
        self.rows[case.image] = case

    def remove(self) -> None:
        """The output has it all."""
        self.path.unlink(missing_ok=True)

    def _open(self) -> TextIOWrapper:
        file = self.path.open("a" if self._goes_on else "w", encoding="ascii", newline="\n")
        # A run that was killed may have left half a line.
        file.write("\n" if self._goes_on else json.dumps(self._who) + "\n")
        return file


def _read(path: Path) -> tuple[Any, dict[Path, Case]]:
    """Who wrote the file, and its rows; a line that is cut off is passed over."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        raise MedVLPError(f"Cannot read {path}: {error.strerror}.", "It keeps texts of an interrupted run.") from error
    rows = [row for row in map(_row, lines) if row is not None]
    who = rows[0] if rows and "maker" in rows[0] else None
    cases = [_case(row) for row in rows]
    return who, {case.image: case for case in cases if case is not None}


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _case(row: dict[str, Any]) -> Case | None:
    image, report, about = row.get("image"), row.get("report"), row.get("caption")
    if not (isinstance(image, str) and isinstance(report, str) and isinstance(about, dict)):
        return None
    if not report.strip() or not all(isinstance(text, str) for text in about.values()):
        return None
    return Case(Path(image), "", "", report=report.strip(), caption=about)

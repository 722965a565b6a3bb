"""The metrics file of a run, read while it grows: what is new, and nothing twice.

Lightning's CSV logger appends rows, writes the file again with more columns when a metric comes up for the first time,
and puts it back when a run is resumed. The steps since the checkpoint then occur twice; the later row counts.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path

MOST_AT_ONCE = 65_536
"""Bytes that one refresh reads: a long file does not hold up a panel."""
PIECE = 16_384
"""The same where every row is kept, some 500 of them: two to three milliseconds."""
ROWS_BACK = 1_000
"""How far back the latest value of a metric is looked for."""
MARK = 64
"""Bytes before the place that was read last; they tell a file that was replaced by a longer one."""
NO_METRIC = ("step", "epoch")


class GrowingCsv:
    """A CSV file of numbers that somebody else appends to.

    Attributes:
        columns: of the header, in order.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        self._seen: tuple[int, int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self.columns: list[str] = []
        self._header, self._offset, self._mark, self._file = b"", 0, b"", 0

    def fresh(self, tail: bool, most: int = MOST_AT_ONCE) -> tuple[bool, list[bytes]]:
        """Whether the file began anew, and the whole lines that are new.

        Args:
            tail: only the last ones where there are more than fit.
            most: bytes that are read.
        """
        try:
            facts = os.stat(self.path)
        except OSError:
            return False, []
        seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if seen == self._seen:
            return False, []
        try:
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return False, []
        try:
            size = os.fstat(file).st_size
            anew = bool(self._header) and self._replaced(file, facts.st_ino, size)
            if anew:
                self._forget()
            self._file = facts.st_ino
            if not self._header and not self._read_header(file):
                return anew, []
            if tail and size - self._offset > most:
                _at(file, size - most)
                self._offset = size - most + len(_line(os.read(file, most)))
            begin = max(0, self._offset - MARK)
            _at(file, begin)
            data = os.read(file, self._offset - begin + most)
        except OSError:
            return False, []
        finally:
            os.close(file)
        new = data[self._offset - begin :]
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        end = self._offset - begin
        self._mark = data[max(0, end - MARK) : end]
        # Half a line, or more than fits, waits for the next time: the file counts as changed until then.
        self._seen = seen if len(new) == len(whole) and self._offset >= size else None
        return anew, whole.splitlines()

    def _replaced(self, file: int, number: int, size: int) -> bool:
        if number != self._file or size < self._offset:
            return True
        _at(file, 0)
        if os.read(file, len(self._header)) != self._header:
            return True
        _at(file, self._offset - len(self._mark))
        return os.read(file, len(self._mark)) != self._mark

    def _read_header(self, file: int) -> bool:
        _at(file, 0)
        header = _line(os.read(file, MOST_AT_ONCE))
        if not header:
            return False
        text = header.decode("utf-8", "replace")
        self.columns = next(csv.reader([text.strip()]), [])
        self._header, self._offset = header, len(header)
        return True


class Latest:
    """The latest value of each metric; costs the same however long the file is.

    Attributes:
        step, epoch: of the last row; None before the first.
        values: metric → its latest value that is a number.
    """

    def __init__(self, path: Path) -> None:
        self._file = GrowingCsv(path)
        self._clear()

    def _clear(self) -> None:
        self.step: int | None = None
        self.epoch: int | None = None
        self.values: dict[str, float] = {}

    def refresh(self) -> bool:
        """Read what is new; whether anything was."""
        anew, lines = self._file.fresh(tail=True)
        if anew:
            self._clear()
        found: dict[str, float] = {}
        for line in reversed(lines[-ROWS_BACK:]):
            for name, value in _numbers(self._file.columns, line):
                found.setdefault(name, value)
            if len(found) == len(self._file.columns):
                break
        if "step" in found:
            self.step = int(found["step"])
        if "epoch" in found:
            self.epoch = int(found["epoch"])
        self.values.update({name: value for name, value in found.items() if name not in NO_METRIC})
        return anew or bool(found)


class Curves:
    """Every value of each metric, for plots.

    Attributes:
        points: metric → step → value, steps in the order in which they were first seen.
    """

    def __init__(self, path: Path) -> None:
        self._file = GrowingCsv(path)
        self.points: dict[str, dict[int, float]] = {}

    def refresh(self) -> bool:
        """Read a piece of what is new, `PIECE` bytes at most; whether there was any. Call it until there is none."""
        anew, lines = self._file.fresh(tail=False, most=PIECE)
        if anew:
            self.points.clear()
        for line in lines:
            row = dict(_numbers(self._file.columns, line))
            step = row.pop("step", None)
            row.pop("epoch", None)
            if step is not None:
                for name, value in row.items():
                    self.points.setdefault(name, {})[int(step)] = value
        return anew or bool(lines)


def _numbers(columns: list[str], line: bytes) -> Iterator[tuple[str, float]]:
    """Metric and value, where a cell holds a number. No cell of the logger's has quotes."""
    for name, cell in zip(columns, line.split(b","), strict=False):
        if cell:
            try:
                value = float(cell)
            except ValueError:
                continue
            if math.isfinite(value):
                yield name, value


def _line(data: bytes) -> bytes:
    """The first line with its end; nothing where it is not whole."""
    return data[: data.find(b"\n") + 1]


def _at(file: int, offset: int) -> None:
    os.lseek(file, offset, os.SEEK_SET)

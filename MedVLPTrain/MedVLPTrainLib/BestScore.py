"""The best validation of a run, as the file of its best weights says: right also when nobody watched the run."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import NamedTuple

FILE = "best.safetensors"
MOST = 4_000_000
"""Bytes of a header that are read; those of our networks have some 50,000."""


class Score(NamedTuple):
    """Name of the metric, its value, and the step after which it was measured."""

    metric: str
    value: float
    step: int


class BestScore:
    """Of one run folder; the file is opened again only when it was replaced."""

    def __init__(self, run: Path) -> None:
        self._path = os.fspath(run / FILE)
        self._seen: tuple[int, int] | None = None
        self._score: Score | None = None

    def read(self) -> Score | None:
        """The best score so far; None where there was no validation, or the file says nothing."""
        try:
            facts = os.stat(self._path)
        except OSError:
            self._seen = self._score = None
            return None
        seen = (facts.st_ino, facts.st_mtime_ns)
        if seen != self._seen:
            self._seen, self._score = seen, _scoreIn(self._path)
        return self._score


def _scoreIn(path: str) -> Score | None:
    """Of the notes at the beginning of a safetensors file: its length in eight bytes, then JSON."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            notes = json.loads(file.read(length))["__metadata__"] if length <= MOST else {}
        step = int(notes.pop("step"))
        metric, text = next((name, text) for name, text in notes.items() if name.startswith("val_"))
        value = float(text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None
    return Score(metric, value, step) if math.isfinite(value) else None

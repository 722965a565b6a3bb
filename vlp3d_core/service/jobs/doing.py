"""What a job's command does while it has no step to log: "preparing 12 of 200", through a small file in its folder."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path

from vlp3d_core.progress import Progress

FILE = "doing.json"
VARIABLE = "MEDVLP_DOING"
"""Environment variable of a command: where it tells what it does."""
EVERY = 0.5
"""Seconds between two times that the file is written: a step may take milliseconds."""
MOST = 10_000
"""Bytes that are read."""


def telling(path: Path) -> Progress:
    """A `Progress` that writes into a file; one that cannot be written is not worth an error."""
    last = -math.inf

    def tell(stage: str, fraction: float) -> None:
        nonlocal last
        if time.monotonic() - last < EVERY:
            return
        last, new = time.monotonic(), path.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.write_text(json.dumps({"stage": stage, "fraction": fraction}), encoding="utf-8")
            os.replace(new, path)

    return tell


class Doing:
    """What such a file says, read again only when it has changed.

    Attributes:
        text: "preparing 12 of 200", "looking through 40 %"; "" where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._seen: tuple[int, int] | None = None
        self.text = ""

    def refresh(self) -> bool:
        """Whether it says something else now."""
        try:
            facts = os.stat(self._path)
        except OSError:
            return self.forget()
        seen, before = (facts.st_ino, facts.st_mtime_ns), self.text
        if seen != self._seen:
            self._seen, self.text = seen, _said(self._path)
        return self.text != before

    def forget(self) -> bool:
        """It says nothing any more; whether it did."""
        said, self._seen, self.text = bool(self.text), None, ""
        return said


def _said(path: str) -> str:
    try:
        with open(path, "rb") as file:
            told = json.loads(file.read(MOST))
        stage, fraction = str(told["stage"])[:80], float(told["fraction"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return stage if any(map(str.isdigit, stage)) or not math.isfinite(fraction) else f"{stage} {100 * fraction:.0f} %"

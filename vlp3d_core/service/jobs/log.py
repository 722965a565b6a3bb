"""A job's log: what its command and its supervisor say. It stays small, and a full disk does not end the job."""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

LOG, OLDER = "log.txt", "log.1.txt"
MOST = 2_000_000
"""Bytes of a file; a full one becomes the older one, whose content is dropped then."""


class Log:
    """Lines go to the end of `log.txt`, from any thread.

    Attributes:
        last: the latest lines, also those that could not be written.
    """

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.path, self.older, self.most = folder / LOG, folder / OLDER, most
        self.last: deque[str] = deque(maxlen=50)
        self._lock = threading.Lock()

    def add(self, line: bytes | str) -> None:
        """One line, with or without its end."""
        text = line if isinstance(line, str) else line.decode("utf-8", "replace")
        text = text.rstrip()[:20_000]
        with self._lock:
            self.last.append(text)
            try:
                if self.path.exists() and self.path.stat().st_size > self.most:
                    os.replace(self.path, self.older)
                with self.path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                    file.write(f"{text}\n")
            except OSError:
                return  # the job counts more than its log


def read_log(folder: Path) -> str:
    """All that is kept."""
    parts = []
    for name in (OLDER, LOG):
        try:
            parts.append((folder / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return "".join(parts)


class Follow:
    """What a log gets from now on, in pieces; it may be replaced meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.path, self.offset, self.file = folder / LOG, 0, 0

    def more(self) -> str:
        """What is new; "" where nothing is."""
        try:
            with self.path.open("rb") as stream:
                facts = os.fstat(stream.fileno())
                if facts.st_size < self.offset or (self.file and facts.st_ino != self.file):
                    self.offset = 0
                self.file = facts.st_ino
                stream.seek(self.offset)
                new = stream.read(MOST)
        except OSError:
            return ""
        whole = new[: new.rfind(b"\n") + 1]  # half a line, and half a letter, come whole the next time
        self.offset += len(whole)
        return whole.decode("utf-8", "replace")

"""The last lines of the chosen job's log, and what comes after them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vlp3d_core.service.jobs.log import LOG, Follow

LAST = 20_000
"""Bytes of the log that are shown at first, and of one look at most: some 200 lines."""


class JobLog:
    """Drives jobLogEdit."""

    def __init__(self, ui: Any) -> None:
        self._edit = ui.jobLogEdit
        self._follow: Follow | None = None
        self._partly = False

    def choose(self, folder: Path | None) -> None:
        """Show the log of the job in a folder; None shows none."""
        self._edit.clear()
        self._follow = None
        if folder is None:
            return
        self._follow = Follow(folder)
        try:
            size = os.stat(folder / LOG).st_size
        except OSError:
            size = 0
        self._follow.offset = max(0, size - LAST)
        self._partly = self._follow.offset > 0
        self.more()

    def more(self) -> None:
        """Add what is new."""
        text = self._follow.more() if self._follow is not None else ""
        if not text:
            return
        if self._partly or len(text) > LAST:
            text = text[-LAST:].partition("\n")[2]  # it begins within a line
            self._partly = False
        if text:
            self._edit.appendPlainText(text.rstrip("\n"))

"""A process that writes into files: a timer can look after it.

No pipes: Slicer's event loop keeps Python's lock, and no thread would read them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.child import end_tree
from vlp3d_core.service.jobs.owner import Owner

OUT, ERR = "out.txt", "err.txt"
MOST = 50_000_000
"""Bytes of a file that are read."""


class Child:
    """A process in a group of its own, without a console window, that writes into files of a private folder.

    Attributes:
        folder: the folder; it goes with `end`.
        pid: its number.

    Raises:
        MedVLPError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="medvlp-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            with (self.folder / OUT).open("wb") as out, (self.folder / ERR).open("wb") as err:
                self._process = subprocess.Popen(
                    command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options
                )
        except (OSError, ValueError) as error:
            self._temporary.cleanup()
            raise MedVLPError(
                _("{program} cannot be started: {reason}.").format(
                    program=command[0], reason=getattr(error, "strerror", None) or error
                ),
                _("Install the extension again."),
            ) from error
        self.pid = self._process.pid
        self._owner = Owner.of(self.pid)

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def words(self, name: str) -> str:
        """What is in `OUT` or `ERR` so far."""
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(MOST).decode("utf-8", "replace")
        except OSError:
            return ""

    def end(self) -> None:
        """End it and all that it started, if it still runs, and remove its folder."""
        if self._process.poll() is None:
            end_tree(self._owner, ours=True)
            self._process.wait(5)
        self._temporary.cleanup()

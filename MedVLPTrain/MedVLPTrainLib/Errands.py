"""Short commands as child processes, looked after from the panel's timer.

No threads: Slicer's event loop keeps Python's lock, and nothing would read a pipe. A child writes into files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.jobs.child import end_tree
from vlp3d_core.service.jobs.owner import Owner

OUT, ERR = "out.txt", "err.txt"
MOST = 10_000_000
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Answer:
    """How a command ended: the JSON that it printed, or its error."""

    said: dict[str, Any] = field(default_factory=dict)
    error: MedVLPError | None = None


class Child:
    """A process in a group of its own, without a console window, that writes into files of a private folder.

    Attributes:
        folder: the folder; it goes with `end`.

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
        self._owner = Owner.of(self._process.pid)

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


class Errands:
    """`vlp3d` commands that are under way.

    Args:
        python: the interpreter.
        environment: added to that of this process.
    """

    def __init__(self, python: str, environment: Mapping[str, str] | None = None) -> None:
        self.python = python
        self._added = dict(environment or {})
        self._underWay: dict[str, tuple[Child, Callable[[Answer], None]]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is started now."""
        return environment_for_package({**os.environ, **self._added})

    @property
    def busy(self) -> bool:
        return bool(self._underWay)

    def isUnderWay(self, name: str) -> bool:
        """Whether that errand has not come back yet."""
        return name in self._underWay

    def start(self, name: str, words: Sequence[str], onEnd: Callable[[Answer], None]) -> None:
        """Run `vlp3d` with these words and `--json`; one of a name at a time.

        Raises:
            MedVLPError: it cannot be started, or it is under way.
        """
        if name in self._underWay:
            raise MedVLPError(_("This is being done already."), _("Wait until it is over."))
        command = [self.python, "-m", "vlp3d_core.cli.main", *words, "--json"]
        self._underWay[name] = (Child(command, self.environment), onEnd)

    def poll(self) -> None:
        """Deliver the answers of those that have come back."""
        for name, (child, onEnd) in list(self._underWay.items()):
            code = child.code
            if code is not None and self._underWay.pop(name, None) is not None:
                answer = _answer(code, child.words(OUT), child.words(ERR))
                child.end()
                onEnd(answer)

    def close(self) -> None:
        """End all of them; nobody is told."""
        underWay, self._underWay = self._underWay, {}
        for child, _onEnd in underWay.values():
            child.end()


def _answer(code: int, out: str, err: str) -> Answer:
    try:
        said = json.loads(out)
    except (ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    if code == 0:
        return Answer(said)
    told = said.get("error")
    if isinstance(told, dict) and told.get("cause"):
        return Answer(said, MedVLPError(str(told["cause"]), str(told.get("remedy", ""))))
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), "")
    cause = _("The command ended with exit code {code}: {words}").format(code=code, words=last[:300])
    return Answer(said, MedVLPError(cause, _("Install what is missing, and try again.")))

"""A `vlp3d` command as a child process that writes into files: a timer can look after it, without threads or pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.environment import environment_for_package
from vlp3d_core.service.jobs.child import end_tree
from vlp3d_core.service.jobs.owner import Owner

MOST = 50_000_000
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Answer:
    """How a command ended: its JSON, and the error of one that failed or was stopped."""

    said: dict[str, Any] = field(default_factory=dict)
    error: MedVLPError | None = None


class Command:
    """One running command.

    Args:
        python: the interpreter.
        words: what stands behind `vlp3d`; `--json` is added.
        environment: of the command; None is that of this process.

    Attributes:
        answer: None while it runs; see `poll`.

    Raises:
        MedVLPError: it cannot be started.
    """

    def __init__(self, python: str, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.answer: Answer | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="medvlp-", ignore_cleanup_errors=True)
        self._out, self._err = (Path(self._folder.name) / name for name in ("out.txt", "err.txt"))
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self._process = subprocess.Popen(
                    [python, "-m", "vlp3d_core.cli.main", *words, "--json"],
                    env=environment_for_package(os.environ if environment is None else environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    **options,
                )
        except (OSError, ValueError) as error:
            self._folder.cleanup()
            raise MedVLPError(
                _("{program} cannot be started: {reason}.").format(
                    program=python, reason=getattr(error, "strerror", None) or error
                ),
                _("Install the extension again."),
            ) from error
        self._owner = Owner.of(self._process.pid)

    def poll(self) -> Answer | None:
        """The answer when it has ended, else None. Costs next to nothing."""
        if self.answer is None and (code := self._process.poll()) is not None:
            self._end(_answer(code, _read(self._out), _read(self._err)))
        return self.answer

    def cancel(self) -> None:
        """End it with all that it has started, now."""
        if self.answer is None:
            end_tree(self._owner, ours=True)
            self._process.wait(5)
            self._end(Answer(error=Cancelled(_("It was stopped."))))

    def _end(self, answer: Answer) -> None:
        self.answer = answer
        self._folder.cleanup()


def _read(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(MOST).decode("utf-8", "replace")


def _answer(code: int, out: str, err: str) -> Answer:
    try:
        said = json.loads(out)
    except (ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    told = said.get("error")
    if isinstance(told, dict) and isinstance(told.get("cause"), str):
        return Answer(said, MedVLPError(told["cause"], str(told.get("remedy", ""))))
    if code == 0 or said:  # `manifest check` ends with 1 where it has found errors, and says which
        return Answer(said)
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), _("it said nothing"))
    cause = _("The command ended with exit code {code}: {words}").format(code=code, words=last[:300])
    return Answer(said, MedVLPError(cause, _("Install what is missing, and try again.")))

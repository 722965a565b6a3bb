"""A `vlp3d` command as a child process, and what it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from MedVLPLib.Texts import _
from MedVLPTrainLib.Child import ERR, OUT, Child
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.environment import environment_for_package


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
        added: to the environment of this process.

    Attributes:
        answer: None while it runs; see `poll`.

    Raises:
        MedVLPError: it cannot be started.
    """

    def __init__(self, python: str, words: Sequence[str], added: Mapping[str, str] | None = None) -> None:
        self.answer: Answer | None = None
        command = [python, "-m", "vlp3d_core.cli.main", *words, "--json"]
        self.child = Child(command, environment_for_package({**os.environ, **(added or {})}))

    def poll(self) -> Answer | None:
        """The answer when it has ended, else None. Costs next to nothing."""
        if self.answer is None and (code := self.child.code) is not None:
            self._end(_answer(code, self.child.words(OUT), self.child.words(ERR)))
        return self.answer

    def cancel(self) -> None:
        """End it with all that it has started, now."""
        if self.answer is None:
            self._end(Answer(error=Cancelled(_("It was stopped."))))

    def _end(self, answer: Answer) -> None:
        self.answer = answer
        self.child.end()


def _answer(code: int, out: str, err: str) -> Answer:
    try:
        said = json.loads(out)
    except (ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    told = said.get("error")
    if code != 0 and isinstance(told, dict) and told.get("cause"):
        return Answer(said, MedVLPError(str(told["cause"]), str(told.get("remedy", ""))))
    if code == 0 or said:  # `manifest check` ends with 1 where it has found errors, and says which
        return Answer(said)
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), _("it said nothing"))
    cause = _("The command ended with exit code {code}: {words}").format(code=code, words=last[:300])
    return Answer(said, MedVLPError(cause, _("Install what is missing, and try again.")))

"""In which state a job is: seven states, the changes between them that are possible, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.service.jobs.owner import Owner

FORMAT = 1
STATE = "state.json"
CHANGES: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "failed", "cancelled", "lost"}),
    # Back to queued: a cluster takes a job from its node and starts it again later.
    "running": frozenset({"finishing", "queued", "failed", "cancelled", "lost"}),
    # finishing: it was asked to stop and saves, or its command is over and its results are looked at.
    "finishing": frozenset({"done", "queued", "failed", "cancelled", "lost"}),
    "done": frozenset(),
    "failed": frozenset({"queued"}),
    "cancelled": frozenset({"queued"}),
    "lost": frozenset({"queued"}),
}
"""State → what it can become. From failed, cancelled and lost, "queued" is a resumption."""
STATES = tuple(CHANGES)
ENDED = ("done", "failed", "cancelled", "lost")
MOST_CHANGES = 100
MAX_BYTES = 1_000_000
REMEDY = "Resume the job, or remove it."


@dataclass(frozen=True)
class State:
    """What is known of a job's state.

    Attributes:
        state: one of `STATES`.
        note: what it waits for, or how it ended, for people.
        error: cause and remedy; None where nothing went wrong.
        owner: the process that looks after the job and changes its state; None where none does.
        command: the process of the command itself, while it runs.
        attempt: how often it was started, the first time included.
        target: what its target wants to remember, such as a SLURM job's number.
        changes: (state, time in UTC), the latest last. Times are for people: clocks jump, their order counts.
    """

    state: str = "queued"
    note: str = ""
    error: MedVLPError | None = field(default=None, compare=False)  # an exception is equal to itself only
    owner: Owner | None = None
    command: Owner | None = None
    attempt: int = 1
    target: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[tuple[str, str], ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def time(self) -> str:
        """Of the latest change; "" before the first."""
        return self.changes[-1][1] if self.changes else ""

    def to(self, state: str, note: str = "", **more: Any) -> State:
        """The next state.

        Raises:
            MedVLPError: the change is impossible.
        """
        if state not in CHANGES[self.state]:
            raise MedVLPError(f"A job that is {self.state} cannot become {state}.", "Look at the job again.")
        changes = (*self.changes, (state, now()))[-MOST_CHANGES:]
        ended = {"owner": None, "command": None} if state in ENDED else {}
        return replace(self, **{"state": state, "note": note, "error": None, "changes": changes, **ended, **more})


def read_state(folder: Path) -> State:
    """The state in a job's folder.

    Raises:
        MedVLPError: there is none, it cannot be read, or a newer version wrote it.
    """
    path = folder / STATE
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES)
        value = json.loads(content)
        form = value["format"]
        if isinstance(form, int) and form > FORMAT:
            raise MedVLPError(f"{path} was written by a newer version of MedVLP.", "Update vlp3d-core.")
        return _from_json(value)
    except OSError as error:
        raise MedVLPError(f"{path} cannot be read: {error.strerror}.", REMEDY) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MedVLPError(f"{path} is damaged, or was changed by hand.", REMEDY) from error


def write_state(folder: Path, state: State) -> None:
    """Raises MedVLPError where it cannot be written; the state before stays whole then."""
    error = state.error and {"cause": state.error.cause, "remedy": state.error.remedy}
    value = {
        "format": FORMAT,
        "state": state.state,
        "note": state.note,
        "error": error,
        "owner": state.owner and state.owner.to_json(),
        "command": state.command and state.command.to_json(),
        "attempt": state.attempt,
        "target": dict(state.target),
        "changes": [{"state": name, "time": time} for name, time in state.changes],
    }
    with replacing(folder / STATE) as temporary:
        temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")


def now() -> str:
    """The time in UTC, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _from_json(value: Mapping[str, Any]) -> State:
    error, attempt, target = value.get("error"), value.get("attempt", 1), value.get("target", {})
    changes = tuple((item["state"], item["time"]) for item in value.get("changes", ()))
    texts = [value["state"], value.get("note", ""), *(text for change in changes for text in change)]
    if value["state"] not in STATES or not all(isinstance(text, str) for text in texts):
        raise ValueError("no such state")
    if type(attempt) is not int or not isinstance(target, dict):
        raise TypeError("attempt or target")
    return State(
        value["state"],
        value.get("note", ""),
        MedVLPError(str(error["cause"]), str(error["remedy"])) if error else None,
        Owner.from_json(value["owner"]) if value.get("owner") else None,
        Owner.from_json(value["command"]) if value.get("command") else None,
        attempt,
        target,
        changes,
    )

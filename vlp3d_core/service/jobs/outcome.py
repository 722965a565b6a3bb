"""What the end of a command means for its job: the state, and in words why."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError

MAX_BYTES = 50_000_000
CANCELLED = "Cancelled."
"""The cause of `errors.Cancelled`."""
LOG = "Its log says more: `vlp3d jobs log`."


@dataclass(frozen=True)
class Outcome:
    """How a job ends: its state, a note for people, and the error of one that failed."""

    state: str
    note: str = ""
    error: MedVLPError | None = None


def outcome(code: int, asked: bool, killed: bool, result: Path, words: Iterable[str]) -> Outcome:
    """Judge an end.

    Args:
        code: the exit code, negative for a signal.
        asked: whether it was asked to stop.
        killed: whether it had to be ended by force after that.
        result: what the command wrote to standard output, JSON as a rule.
        words: the last lines of its log.
    """
    said = _result(result)
    if code == 0:
        return Outcome("done")
    error = said.get("error")
    if isinstance(error, dict) and isinstance(error.get("cause"), str):
        told = MedVLPError(error["cause"], str(error.get("remedy", "")))
        if asked or told.cause == CANCELLED:
            return Outcome("cancelled", told.remedy if told.cause == CANCELLED else str(told))
        return Outcome("failed", error=told)
    if asked:
        note = "It did not stop in time and was ended." if killed else "It was stopped before it had begun to save."
        return Outcome("cancelled", note)
    if remark := _remark(said):
        return Outcome("failed", error=MedVLPError(remark, "Correct the manifest; the job's result lists everything."))
    return Outcome("failed", error=_unexplained(code, [word for word in words if word.strip()]))


def _unexplained(code: int, words: list[str]) -> MedVLPError:
    if code in (-9, 137):
        return MedVLPError(
            "The command was ended by the system, perhaps because memory ran out.",
            "Resume the job with other programs closed, or start it again with a smaller batch or patch.",
        )
    if code < 0:
        return MedVLPError(f"The command was ended by {_name(-code)}.", f"Resume the job. {LOG}")
    last = f" Its last words: {words[-1][:300].rstrip('.')}." if words else ""
    return MedVLPError(f"The command failed with exit code {code}.{last}", LOG)


def _remark(said: dict[str, Any]) -> str:
    """Of `vlp3d manifest check`: the first of the errors, and how many there are."""
    remarks = said.get("remarks")
    if not isinstance(remarks, list):
        return ""
    errors = [r for r in remarks if isinstance(r, dict) and r.get("level") == "error"]
    if not errors:
        return ""
    more = f" ({len(errors) - 1} more errors)" if len(errors) > 1 else ""
    return f"{errors[0].get('subject')}: {errors[0].get('text')}{more}"


def _result(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""What is said about a job: states, steps and times in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from MedVLPLib.Texts import _

UNREADABLE = "unreadable"
"""Stands where a state's name stands, for a job whose files cannot be read."""
COLOURS = {
    "queued": (150, 150, 150),
    "running": (52, 120, 246),
    "finishing": (120, 170, 250),
    "done": (40, 167, 69),
    "failed": (214, 69, 65),
    "cancelled": (184, 134, 11),
    "lost": (142, 68, 173),
    UNREADABLE: (214, 69, 65),
}
"""State → RGB of its icon. The word stands beside it: nobody needs to tell the colours apart."""


def stateOf(view: Any) -> str:
    """A key of `COLOURS` for a JobView."""
    damaged = view.error is not None and not (view.kind and view.time)
    return UNREADABLE if damaged else view.state


def stateWord(state: str) -> str:
    """A key of `COLOURS` in a word."""
    words = {
        "queued": _("waits"),
        "running": _("runs"),
        "finishing": _("finishes"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("stopped"),
        "lost": _("lost"),
        UNREADABLE: _("cannot be read"),
    }
    return words.get(state, state)


def kindText(view: Any) -> str:
    """What a job does."""
    kinds = {
        "pretrain": _("Pretraining"),
        "finetune": _("Fine-tuning"),
        "evaluate": _("Evaluation"),
        "preprocess": _("Check of the data"),
        "caption": _("Captions"),
    }
    return kinds.get(view.kind, view.kind)


def titleOf(view: Any) -> str:
    """The job's name, else what it does, with its number."""
    number = view.id.partition("-")[0].lstrip("0")
    return view.name or f"{kindText(view) or _('Job')} {number}"


def targetText(view: Any) -> str:
    """Where it runs."""
    return _("this computer") if view.target == "local" else view.target.replace("slurm:", "SLURM: ", 1)


def stepText(view: Any) -> str:
    """ "20 of 100", and before the first step what is being done; steps are counted from 0 in the files."""
    if view.step is None:
        return view.doing
    if not view.steps:
        return str(view.step + 1)
    return _("{step} of {steps}").format(step=view.step + 1, steps=view.steps)


def timeText(utc: str) -> str:
    """A time of the files, in the computer's time zone; as it is where it cannot be read."""
    try:
        return datetime.fromisoformat(utc.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return utc


def leftText(seconds: float | None) -> str:
    """ "40 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds is None:
        return ""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{count} min").format(count=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    return _("{days} d {hours} h").format(days=hours // 24, hours=hours % 24)


def sentenceOf(view: Any) -> str:
    """All that there is to say about how a job is, for the line below the table."""
    since = _("since {time}").format(time=timeText(view.time)) if view.time else ""
    facts = [kindText(view), stateWord(stateOf(view)), view.doing, since]
    parts = [", ".join(fact for fact in facts if fact) + ".", view.note, str(view.error or "")]
    return " ".join(part for part in parts if part)

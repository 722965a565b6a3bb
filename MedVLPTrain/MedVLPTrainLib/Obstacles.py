"""Why something cannot be done with a job, in words for the tooltip of its button. No Qt here."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from MedVLPTrainLib.JobRows import ACTIVE
from MedVLPTrainLib.JobWords import stateWord

REPORT, BUNDLE, BOARD = Path("run", "report.html"), Path("run", "bundle"), Path("run", "tensorboard")
CARD = "bundle.json"


@dataclass(frozen=True)
class Made:
    """What there is in a job's folder.

    Attributes:
        curves: metrics were written.
    """

    report: bool
    bundle: bool
    board: bool
    curves: bool

    @classmethod
    def of(cls, view: Any) -> Made:
        folder = view.folder
        return cls(
            os.path.isfile(folder / REPORT),
            os.path.isfile(folder / BUNDLE / CARD),
            os.path.isdir(folder / BOARD),
            view.step is not None,
        )


@cache
def hasTensorBoard() -> bool:
    """Whether the package is installed; it is not imported."""
    return importlib.util.find_spec("tensorboard") is not None


def obstacles(view: Any) -> dict[str, str]:
    """Action → why it is not possible, "" where it is.

    Args:
        view: a JobView; None where no job is chosen.
    """
    if view is None:
        return dict.fromkeys(ACTIONS, _("Choose a job in the table first."))
    return {action: find(view, Made.of(view)) for action, find in ACTIONS.items()}


def _stop(view: Any, made: Made) -> str:
    if view.state in ("queued", "running"):
        return ""
    if view.state == "finishing":
        return _("It is finishing already.")
    return _is(view)


def _resume(view: Any, made: Made) -> str:
    if not view.kind:
        return _("Its description cannot be read.")
    return "" if view.state in ("failed", "cancelled", "lost") else _is(view)


def _clone(view: Any, made: Made) -> str:
    return "" if view.kind else _("Its description cannot be read.")


def _remove(view: Any, made: Made) -> str:
    return _("Stop it first.") if view.state in ACTIVE else ""


def _curves(view: Any, made: Made) -> str:
    return "" if made.curves else _("It has not logged a step (yet).")


def _report(view: Any, made: Made) -> str:
    return "" if made.report else _later(view, _("It has made no report page."))


def _board(view: Any, made: Made) -> str:
    if not hasTensorBoard():
        return _(
            "TensorBoard is not installed in this Python (the package tensorboard). The curves are in the plot view."
        )
    return "" if made.board else _("It has written nothing for TensorBoard (yet).")


def _folder(view: Any, made: Made) -> str:
    return ""


def _model(view: Any, made: Made) -> str:
    if view.kind and view.kind != "finetune":
        return _("Only fine-tuning makes a model that segments.")
    if view.state != "done":
        return _later(view, _("It has made no model."))
    return "" if made.bundle else _("Its model is not in its folder.")


def _is(view: Any) -> str:
    return (
        _("The job is over ({state}).").format(state=stateWord(view.state))
        if view.state not in ACTIVE
        else _("The job is not over ({state}).").format(state=stateWord(view.state))
    )


def _later(view: Any, otherwise: str) -> str:
    return _("Wait until it is done.") if view.state in ACTIVE else otherwise


ACTIONS = {
    "stop": _stop,
    "resume": _resume,
    "clone": _clone,
    "remove": _remove,
    "curves": _curves,
    "report": _report,
    "board": _board,
    "folder": _folder,
    "use": _model,
    "export": _model,
    "case": _model,
}

"""Progress and cancel, as every long piece of work takes them."""

from __future__ import annotations

from collections.abc import Callable

from vlp3d_core.errors import Cancelled

Progress = Callable[[str, float], None]
"""Called with the stage ("reading", "encoding", ...) and the fraction of that stage that is done, 0 to 1."""

Cancel = Callable[[], bool]
"""Asked often; when it answers True the work stops with `Cancelled`."""


def silent(stage: str, fraction: float) -> None:
    """A `Progress` that tells nobody."""


def never() -> bool:
    """A `Cancel` that never asks to stop."""
    return False


Tick = Callable[[float], None]
"""Called inside a loop with the fraction that is done; whoever wants the loop to stop raises from it."""


def silent_tick(fraction: float) -> None:
    """A `Tick` that tells nobody."""


def ticking(stage: str, progress: Progress, cancel: Cancel) -> Tick:
    """A `Tick` that tells `progress` and stops with `Cancelled` when `cancel` says so."""

    def tick(fraction: float) -> None:
        check(cancel)
        progress(stage, fraction)

    return tick


def check(cancel: Cancel) -> None:
    """Raise `Cancelled` when `cancel` says so."""
    if cancel():
        raise Cancelled

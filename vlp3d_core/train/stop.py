"""Turns Ctrl-C and a cluster's SIGTERM into a polite request, so that a run can save its state before it leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vlp3d_core.progress import Cancel

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(cancel: Cancel) -> Iterator[Cancel]:
    """A `Cancel` that also says yes after one of `SIGNALS`; a second one interrupts at once.

    Only the main thread may handle signals; elsewhere it is `cancel` alone.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {}
    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, note)
    except ValueError:
        yield cancel
        return
    try:
        yield lambda: bool(received) or cancel()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def default_signals(worker: int) -> None:
    """For data-loading processes: Ctrl-C is the main process's affair, SIGTERM from it ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

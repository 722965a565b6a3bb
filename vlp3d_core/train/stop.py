"""Turns Ctrl-C and a cluster's SIGTERM into a polite request, so that a run can save its state before it leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vlp3d_core.progress import Cancel
from vlp3d_core.train.slurm import job_id


class StopRequest:
    """A `Cancel` that says yes after a signal, too.

    A second one interrupts at once; within a SLURM job only Ctrl-C does that, for SLURM may send several.

    Attributes:
        received: the signals so far.
        job: the SLURM job that may be queued again; None where there is none.
    """

    def __init__(self, cancel: Cancel) -> None:
        self.cancel, self.received = cancel, list[int]()
        self.signals = [signal.SIGINT, signal.SIGTERM]
        self.job = job_id()
        if self.job:
            self.signals.append(signal.SIGUSR1)

    def __call__(self) -> bool:
        return bool(self.received) or self.cancel()

    def listen(self) -> None:
        """Take the signals, whoever has them; only the main thread may, elsewhere `cancel` alone counts."""
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = bool(self.received)
        self.received.append(number)
        if again and (number == signal.SIGINT or not self.job):
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals(cancel: Cancel) -> Iterator[StopRequest]:
    """A `StopRequest` that listens inside of the block: `cancel` itself if it is one, for its owner to look at."""
    request = cancel if isinstance(cancel, StopRequest) else StopRequest(cancel)
    before = [(number, signal.getsignal(number)) for number in request.signals]
    request.listen()
    try:
        yield request
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before:
                signal.signal(number, handler or signal.SIG_DFL)


def leave_signals(worker: int) -> None:
    """For data-loading processes: Ctrl-C is the main process's affair, and so is the first SIGTERM, for a cluster sends
    it to every process of a job; were they gone, there would be no step left to stop after. A second one ends them."""

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, first)
    if job_id() is not None:  # SLURM sends it to every process of the job
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

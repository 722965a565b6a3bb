"""The timer that polls the worker, under a lock that nobody gives away: Slicer's event loop keeps Python's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from Testing.wiring.conftest import PATIENCE
from vlp3d_core.service.client import Worker


@pytest.fixture
def greedy() -> Iterator[None]:
    """No thread is interrupted: the others run only while this one sleeps or waits."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def busy(seconds: float) -> None:
    """What Slicer's event loop is between two calls of Python: not asleep, and not giving the lock away."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Asking:
    """As much of a logic as the timer needs, with a real worker."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.job = worker.models()

    @property
    def runs(self) -> tuple[Any, ...]:
        return () if self.job.ended else (self.job,)

    def poll(self) -> None:
        self.worker.poll()


def test_the_clients_threads_get_their_turn(host: Any, shared_worker: Worker, greedy: None) -> None:
    from MedVLPSegmentLib.WorkerTimer import WorkerTimer

    logic = Asking(shared_worker)
    idle: list[bool] = []
    timer = WorkerTimer(logic, lambda: idle.append(True))
    timer.start()
    end = time.monotonic() + PATIENCE
    while logic.runs and time.monotonic() < end:
        busy(0.02)
        timer._poll()
    assert logic.job.state == "done" and not timer.running and idle == [True]

"""Items a second, against a clock that the test moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vlp3d_core.train import speed
from vlp3d_core.train.speed import ALONE, WHOLE, Speed


class Told(Speed):
    """Keeps what it logs."""

    def log_dict(self, dictionary: Any, **_: Any) -> None:
        self.rows = [*getattr(self, "rows", []), dict(dictionary)]


def test_waits_count_once_and_validations_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock.now)
    told = Told(items=4)
    for step in range(1, 7):
        clock.now += 1.0  # for the batch
        told.on_train_batch_start()
        clock.now += 3.0
        told.on_train_batch_end(SimpleNamespace(global_step=step, log_every_n_steps=3), None)
        if step == 4:
            told.on_validation_start()
            clock.now += 100.0
    assert told.rows == [{WHOLE: pytest.approx(1.0), ALONE: pytest.approx(4 / 3)}] * 2

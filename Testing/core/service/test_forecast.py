"""What is told of progress: never backwards, not too often, and a remaining time only where it is known."""

from __future__ import annotations

from typing import Any

import pytest

from vlp3d_core.service.forecast import Forecast, Rates


class Clock:
    """Time that goes as the test wants."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


VOXELS = {"preparing": 1e8, "encoding": 1e7, "cleaning": 1e7, "resampling": 1e8}
SECONDS = {"preparing": 3.0, "encoding": 40.0, "cleaning": 2.0, "resampling": 5.0}


def run(rates: Rates, steps: int = 400) -> list[tuple[float, dict[str, Any]]]:
    """A job in which every stage goes evenly; (time, message) of each event."""
    clock, told = Clock(), []
    forecast = Forecast(VOXELS, rates, lambda message: told.append((clock.now - 100.0, message)), clock)
    for stage, seconds in SECONDS.items():
        for step in range(steps):
            forecast(stage, step / steps)
            clock.now += seconds / steps
    forecast.end()
    return told


def test_progress_goes_forward_and_is_not_told_too_often() -> None:
    told = run(Rates())
    fractions = [message["fraction"] for _, message in told]
    assert fractions == sorted(fractions) and fractions[0] == 0 and 0.95 < fractions[-1] <= 1
    assert len(told) <= sum(SECONDS.values()) / 0.1 + len(SECONDS)
    assert list(dict.fromkeys(message["stage"] for _, message in told)) == list(SECONDS)


def test_the_rest_is_told_when_the_encoding_has_shown_its_pace() -> None:
    told = run(Rates())
    first = next(n for n, (_, message) in enumerate(told) if message["remaining"] is not None)
    assert told[first][1]["stage"] == "encoding" and told[first][0] < 6.0
    assert all(message["remaining"] is not None for _, message in told[first:])
    after = 2.0 + 5.0
    time, message = next(item for item in told if item[0] > 20.0)
    assert message["remaining"] == pytest.approx(43.0 - time + after, rel=0.2)


def test_a_second_run_knows_from_the_start() -> None:
    rates = Rates()
    run(rates)
    for time, message in run(rates):
        assert message["remaining"] == pytest.approx(50.0 - time, rel=0.02, abs=0.2)
        assert message["fraction"] == pytest.approx(time / 50.0, abs=0.02)


def test_only_the_stages_ahead_count() -> None:
    rates = Rates()
    run(rates)
    clock, told = Clock(), []
    Forecast({"resampling": 1e8}, rates, told.append, clock)("resampling", 0.0)
    assert told == [{"stage": "resampling", "fraction": 0.0, "remaining": 5.0}]


def test_a_stage_that_nobody_expected() -> None:
    told: list[dict[str, Any]] = []
    Forecast({}, Rates(), told.append, Clock())("searching", 0.0)
    assert told == [{"stage": "searching", "fraction": 0.0, "remaining": 0.0}]

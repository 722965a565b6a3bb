"""What is said about a job without any widget: the time left, the best score, words."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPTrainLib.BestScore import FILE, BestScore
from MedVLPTrainLib.JobWords import leftText, timeText
from MedVLPTrainLib.Pace import WINDOW, Pace


def test_time_left_is_that_of_the_last_minutes() -> None:
    pace = Pace()
    assert pace.left(100, 0) is None
    pace.note(9, 0)
    assert pace.left(100, 5) is None, "one look is no pace"
    pace.note(19, 10)
    assert pace.left(100, 10) == 80 and pace.left(100, 30) == 60 and pace.left(100, 500) == 0
    assert pace.left(None, 10) is None
    for n in range(1, 200):  # twice as fast from now on
        pace.note(19 + 4 * n, 10 + 2.0 * n)
    end = 10 + 2.0 * 199
    left = pace.left(19 + 4 * 199 + 101, end)
    assert end > WINDOW and left == pytest.approx(50)


def test_a_resumed_run_begins_anew() -> None:
    pace = Pace()
    pace.note(50, 0)
    pace.note(60, 1)
    pace.note(40, 100)
    assert pace.left(100, 100) is None
    pace.note(50, 110)
    assert pace.left(100, 110) == 49


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e6)), max_size=50), st.integers(1, 10**6))
def test_time_left_is_never_negative_or_nonsense(seen: list[tuple[int, float]], steps: int) -> None:
    pace, now = Pace(), 0.0
    for step, time in seen:
        now = max(now, time)
        pace.note(step, now)
        left = pace.left(steps, now)
        assert left is None or (left >= 0 and math.isfinite(left))


def test_the_best_score_of_a_real_file(tmp_path: Path) -> None:
    """Written by the library that writes it in a run."""
    np = pytest.importorskip("numpy")
    from safetensors.numpy import save_file

    best = BestScore(tmp_path)
    assert best.read() is None
    save_file({"w": np.zeros(3)}, tmp_path / FILE, metadata={"step": "400", "val_dice": "0.81250"})
    assert best.read() == ("val_dice", 0.8125, 400)
    save_file({"w": np.zeros(3)}, tmp_path / "new", metadata={"step": "500", "val_dice": "0.90000"})
    (tmp_path / "new").replace(tmp_path / FILE)
    assert best.read() == ("val_dice", 0.9, 500)
    (tmp_path / FILE).unlink()
    assert best.read() is None


@given(st.one_of(st.binary(max_size=64), st.text(max_size=64).map(lambda t: struct.pack("<Q", len(t)) + t.encode())))
def test_garbage_has_no_best_score(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / FILE).write_bytes(data)
    assert BestScore(folder).read() is None


def test_words() -> None:
    assert [leftText(s) for s in (None, 0, 89, 90, 5400, 200_000)] == [
        "",
        "1 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 d 7 h",
    ]
    assert timeText("gestern") == "gestern" and timeText("2026-03-01T12:00:00Z").startswith("2026-0")

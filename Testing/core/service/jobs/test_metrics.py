"""Metrics read while they are written: in pieces, replaced, resumed, with more columns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.evaluate.run_curves import read_curves
from vlp3d_core.service.jobs.metrics import MOST_AT_ONCE, Curves, Latest

HEADER = "epoch,loss,step,val_dice\n"


def grown(curves: Curves) -> dict[str, dict[int, float]]:
    for _ in range(10_000):
        if not curves.refresh():
            return curves.points
    raise AssertionError("it never ends")


rows = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.floats(-9, 9), st.none() | st.floats(0, 1)).map(
        lambda row: f"0,{'' if row[1] is None else row[1]},{row[0]},{'' if row[2] is None else row[2]}\n"
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.data(), rows)
def test_in_pieces_of_any_size_as_in_one(data: st.DataObject, lines: list[str]) -> None:
    """Half a line waits; a step that comes again counts as it was the last time."""
    import tempfile

    text = (HEADER + "".join(lines)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "metrics.csv")
        curves, latest = Curves(path), Latest(path)
        for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            with path.open("ab") as file:
                file.write(text[begin:end])
            grown(curves)
            latest.refresh()
        whole = {name: dict(zip(c.steps, c.values, strict=True)) for name, c in read_curves(path).items()}
        assert {name: dict(sorted(points.items())) for name, points in curves.points.items()} == whole
        cells = [line.strip().split(",") for line in lines]
        last = {name: [float(row[i]) for row in cells if row[i]] for i, name in ((1, "loss"), (3, "val_dice"))}
        assert latest.values == {name: values[-1] for name, values in last.items() if values}
        assert latest.step == (int(lines[-1].split(",")[2]) if lines else None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_a_run_that_is_resumed(path: Path) -> None:
    """The file is put back and goes on; then with one more column; then it begins anew and is longer than before."""
    path.write_text(HEADER + "0,1.0,0,\n0,0.9,1,\n0,0.8,2,\n")
    curves, latest = Curves(path), Latest(path)
    assert grown(curves)["loss"] == {0: 1.0, 1: 0.9, 2: 0.8} and latest.refresh()
    before = path.read_text()
    path.unlink()
    path.write_text(before + "0,0.85,1,\n0,0.7,2,0.5\n")
    assert grown(curves) == {"loss": {0: 1.0, 1: 0.85, 2: 0.7}, "val_dice": {2: 0.5}}
    assert latest.refresh() and (latest.step, latest.values) == (2, {"loss": 0.7, "val_dice": 0.5})
    path.write_text("epoch,grad,loss,step,val_dice\n0,,1.0,0,\n0,3.0,0.6,3,\n")
    assert grown(curves) == {"loss": {0: 1.0, 3: 0.6}, "grad": {3: 3.0}}
    path.write_text("epoch,grad,loss,step,val_dice\n" + "0,,2.0,0,\n" * 9)
    assert grown(curves) == {"loss": {0: 2.0}}
    assert latest.refresh() and latest.values == {"loss": 2.0}


def test_shrunk_gone_and_back(path: Path) -> None:
    curves, latest = Curves(path), Latest(path)
    assert not curves.refresh() and not latest.refresh()
    path.write_text("")
    assert not latest.refresh()
    path.write_text(HEADER + "0,1.0,0,\n0,nan,1,inf\n0,oops,2,\n0,0.5\n")
    assert latest.refresh() and (latest.step, latest.values) == (2, {"loss": 0.5})
    path.write_text(HEADER + "1,3.0,0,\n")
    assert latest.refresh() and (latest.step, latest.epoch, latest.values) == (0, 1, {"loss": 3.0})
    path.unlink()
    assert not latest.refresh() and latest.values == {"loss": 3.0}


def test_nothing_is_read_twice_and_long_files_come_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20_000
    path.write_text(HEADER + "".join(f"0,{n}.0,{n},\n" for n in range(count)))
    curves, latest = Curves(path), Latest(path)
    read: list[int] = []
    whole = os.read
    monkeypatch.setattr(os, "read", lambda file, most: (data := whole(file, most), read.append(len(data)))[0])
    assert latest.refresh() and (latest.step, latest.values) == (count - 1, {"loss": count - 1.0})
    assert sum(read) < 4 * MOST_AT_ONCE  # and not the whole file
    assert len(grown(curves)["loss"]) == count
    with path.open("a") as file:
        file.write(f"0,-1.0,{count},\n")
    read.clear()
    assert latest.refresh() and curves.refresh() and sum(read) < 1000
    assert latest.values == {"loss": -1.0} and curves.points["loss"][count] == -1.0
    read.clear()
    assert not latest.refresh() and not curves.refresh() and read == []

"""The panel's table of jobs: how long one tick of its timer holds up the thread that draws Slicer's windows."""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from Testing.benchmarks.bench_jobs import JOBS, LIMIT_MS, ROWS
from Testing.benchmarks.table import Row

TICKS = 60
ROOT = Path(__file__).parents[2]


def jobs_box(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Looking and writing rows without Qt, and ticks of the whole box in the wiring host, with a curve shown."""
    if find_spec("slicer") is None or find_spec("PySide6") is None:
        say("jobs panel: left out, slicer-core or PySide6 is not installed")
        return []
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path[:0] = [str(ROOT / "MedVLPSegment"), str(ROOT / "MedVLPTrain")]
    say(f"jobs panel: {JOBS} jobs of {ROWS} rows")
    root = folder / "panel-jobs"
    metrics = _make(root, folder / "panel-metrics.csv")

    def grow() -> None:
        with metrics.open("a") as file:
            file.write(f"0,0.5,{ROWS},0.9\n")

    from Testing.wiring.host.application import running

    with running(folder / "host"):
        return [*_rows(root, grow), *_ticks(root, grow, say)]


def _rows(root: Path, grow: Callable[[], None]) -> list[Row]:
    """The part without Qt: a look, and all that the table would write for what has changed."""
    from MedVLPTrainLib.JobRows import JobRows
    from MedVLPTrainLib.JobsBox import LOOK
    from vlp3d_core.service.jobs.book import Jobs

    rows = JobRows(Jobs(root).watch())
    while not rows.refresh() or not rows.complete:
        pass
    times: dict[str, list[float]] = {"nothing new": [], "all jobs have a new row": []}

    def look() -> float:
        begin = time.perf_counter()
        for id in rows.refresh(LOOK):
            rows.row(id)
        return 1e3 * (time.perf_counter() - begin)

    gc.collect()
    times["nothing new"] = [look() for _ in range(TICKS)]
    for _ in range(TICKS):
        grow()
        times["all jobs have a new row"].append(look())
    name = f"jobs panel, logic, {JOBS} of {ROWS} rows"
    return [Row(name, f"{what}, median ms", statistics.median(t), LIMIT_MS, 2) for what, t in times.items()]


def _ticks(root: Path, grow: Callable[[], None], say: Callable[[str], None]) -> list[Row]:
    import slicer

    from MedVLPTrainLib.JobsBox import JobsBox
    from vlp3d_core.service.jobs.book import Jobs

    ui_file = ROOT / "MedVLPTrain" / "Resources" / "UI" / "MedVLPTrainJobs.ui"
    window = slicer.util.loadUI(str(ui_file))
    ui = slicer.util.childWidgetVariables(window)
    box = JobsBox(ui, SimpleNamespace(jobs=Jobs(root)), lambda text, kind: None, lambda spec: None)
    window.show()

    def tick() -> float:
        begin = time.perf_counter()
        box._tick()
        return 1e3 * (time.perf_counter() - begin)

    def until_quiet() -> list[float]:
        times = [tick(), tick()]
        while any(box._more.values()):
            times += [tick(), tick()]
        return times

    say("jobs panel: ticks")
    gc.collect()
    first = until_quiet()
    box.selectJob(str(next(iter(Jobs(root).watch().root.iterdir())).name))
    box.curves.show()
    curves = until_quiet()
    quiet, busy = [], []
    for _ in range(TICKS):
        quiet += [tick(), tick()]
    for _ in range(TICKS):
        grow()
        busy += [tick(), tick()]
    box.close()
    name = f"jobs panel, wiring host, {JOBS} of {ROWS} rows"
    rows = [
        Row(name, "a tick, nothing new, median ms", statistics.median(quiet), LIMIT_MS, 2),
        Row(name, "a tick, all jobs have a new row, median ms", statistics.median(busy), LIMIT_MS, 2),
        Row(name, "a tick, filling the empty table, median ms", statistics.median(first), LIMIT_MS, 2),
        Row(name, "a tick, reading a long curve, median ms", statistics.median(curves), LIMIT_MS, 2),
    ]
    slowest: Any = max(*quiet, *busy, *first, *curves)
    return [
        *rows,
        Row(name, "a tick, slowest ms (one of the first: it loads jsonschema)", slowest, digits=2),
        Row(name, "ticks until all is shown", len(first), digits=0),
    ]


def _make(root: Path, metrics: Path) -> Path:
    """Running jobs whose metrics are one file with many names: a row that is added is added to each."""
    from vlp3d_core.service.jobs.command import METRICS
    from vlp3d_core.service.jobs.folder import create
    from vlp3d_core.service.jobs.owner import Owner
    from vlp3d_core.service.jobs.spec import JobSpec
    from vlp3d_core.service.jobs.state import State, now

    lines = (f"0,{1000 / (n + 1):.6f},{n},{n / ROWS if n % 12 == 0 else ''}\n" for n in range(ROWS))
    metrics.write_text("epoch,loss,step,val_dice\n" + "".join(lines), encoding="utf-8")
    for _ in range(JOBS):
        state = State("running", owner=Owner.of(os.getpid()), changes=(("running", now()),))
        job = create(root, JobSpec("finetune", str(metrics), "A training", recipe="ct-head-neck"), state)
        (job.path / METRICS).parent.mkdir(parents=True)
        (job.path / METRICS).hardlink_to(metrics)
        (job.run / "config.json").write_text(f'{{"steps": {2 * ROWS}}}', encoding="utf-8")
    return metrics

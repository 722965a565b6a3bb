"""Looking at many jobs with long metrics from a panel's timer: how long one look holds up the thread that draws."""

from __future__ import annotations

import gc
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from Testing.benchmarks.table import Row

JOBS, ROWS, LOOKS = 200, 100_000, 40
LIMIT_MS, BUDGET_S = 5.0, 0.003
GROWING = 20
"""Jobs that log a row between two looks, in the row of a busy cluster."""


def jobs_watch(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Median and slowest look when nothing, twenty and all of the jobs have a new row, and the first looks."""
    from vlp3d_core.service.jobs.book import Jobs
    from vlp3d_core.service.jobs.command import METRICS
    from vlp3d_core.service.jobs.folder import create
    from vlp3d_core.service.jobs.metrics import Curves
    from vlp3d_core.service.jobs.owner import Owner
    from vlp3d_core.service.jobs.spec import JobSpec
    from vlp3d_core.service.jobs.state import State

    say(f"{JOBS} jobs of {ROWS} rows")
    root, first = folder / "jobs", folder / "metrics.csv"
    lines = (f"0,{1000 / (n + 1):.6f},{n},{n / ROWS if n % 12 == 0 else ''}\n" for n in range(ROWS))
    first.write_text("epoch,loss,step,val_dice\n" + "".join(lines), encoding="utf-8")
    paths = []
    for _ in range(JOBS):
        running = State("running", owner=Owner.of(os.getpid()))
        job = create(root, JobSpec("finetune", str(first), recipe="ct-head-neck"), running)
        paths.append(job.path / METRICS)
        paths[-1].parent.mkdir(parents=True)
        shutil.copyfile(first, paths[-1])
        (job.run / "config.json").write_text('{"steps": 200000}', encoding="utf-8")

    watch = Jobs(root).watch()
    gc.collect()

    def look() -> float:
        # The thread's own time: what other programs take from it meanwhile says nothing about the look.
        begin = time.thread_time()
        watch.refresh(BUDGET_S)
        return 1e3 * (time.thread_time() - begin)

    def grow(count: int) -> None:
        for path in paths[:count]:
            with path.open("a") as file:
                file.write(f"0,0.5,{ROWS},0.9\n")

    say("jobs: first looks")
    begun = []
    while not watch.jobs or any(job.view.step is None for job in watch.jobs.values()):
        begun.append(look())
    say("jobs: looks")
    looks: dict[int, list[float]] = {count: [] for count in (0, GROWING, JOBS)}
    for _ in range(LOOKS):
        for count, times in looks.items():
            grow(count)
            times.append(look())
    curves, pieces = Curves(paths[0]), [0.0]
    while True:
        begin = time.thread_time()
        if not curves.refresh():
            break
        pieces.append(1e3 * (time.thread_time() - begin))
    name = f"jobs, {JOBS} of {ROWS} rows; ms of the thread"
    return [
        Row(name, "a look, nothing new, median", statistics.median(looks[0]), LIMIT_MS, 2),
        Row(
            name,
            f"a look, {GROWING} jobs have a new row, median",
            statistics.median(looks[GROWING]),
            LIMIT_MS,
            2,
        ),
        Row(
            name,
            "a look, all jobs have a new row, median",
            statistics.median(looks[JOBS]),
            LIMIT_MS,
            2,
        ),
        Row(name, "a look, slowest", max(map(max, looks.values())), digits=2),
        Row(name, "first looks, slowest", max(begun), digits=2),
        Row(name, "first looks until all jobs are known", len(begun), digits=0),
        Row(name, "curves of the chosen job, slowest piece", max(pieces), digits=2),
        Row(name, "curves of the chosen job, all", sum(pieces), digits=0),
    ]

"""What going through the worker process costs over calling the engine, and `find` through it as a panel calls it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from Testing.benchmarks.bench_find import QUERIES
from Testing.benchmarks.material import make_bundle, make_volume
from Testing.benchmarks.table import Row

REPEATS = 3
STRUCTURES = 25
QUICK_SPACING = (6.0, 6.0, 6.0)
"""The overhead does not depend on the model, and shows better beside a quick one: seconds of network vary more."""
OVERHEAD_S, FIND_MS = 0.5, 150.0


def worker_overhead(folder: Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> list[Row]:
    """`segment` by a warm worker and in this process, in turn; then queries on a volume that the worker has encoded.

    Both get the CT as int16, as a host has it.
    """
    from vlp3d_core.predict.loaded import load_model
    from vlp3d_core.service.client import Worker
    from vlp3d_core.volume import Volume

    say("worker: making the CT and two models")
    made = make_volume(shape)
    volume = Volume(np.asfortranarray(np.round(made.array).astype(np.int16)), made.affine, "CT")
    del made
    quick = make_bundle(folder / "bundle-worker", STRUCTURES, QUICK_SPACING).folder
    usual = make_bundle(folder / f"bundle-{STRUCTURES}", STRUCTURES).folder
    model = load_model(quick, device="cpu")
    worker = Worker()
    try:
        say("worker: starting it")
        start = time.perf_counter()
        worker.wait(worker.hello())
        starting = time.perf_counter() - start
        direct, through, held, outside = [], [], [], []
        for n in range(REPEATS + 1):  # the first ones warm up
            say(f"worker: run {n} of {REPEATS}")
            direct.append(_seconds(lambda: model.segment(volume)))
            start = time.perf_counter()
            job = worker.segment(volume, model=str(quick), device="cpu")
            held.append(time.perf_counter() - start)
            report = worker.wait(job).report
            through.append(time.perf_counter() - start)
            outside.append(through[-1] - sum(report["seconds"].values()))
        say("worker: encoding for find")
        rest: dict[str, Any] = {"model": str(usual), "device": "cpu", "key": "benchmark"}
        worker.wait(worker.encode(volume, **rest))
        queries = [_seconds(lambda text=text: worker.wait(worker.find(volume, text, **rest))) for text in _texts(model)]
    finally:
        worker.close()
    ours, theirs = statistics.median(through[1:]), statistics.median(direct[1:])
    name = f"worker, {STRUCTURES} structures, " + "×".join(map(str, shape))
    return [
        Row(name, f"through the worker minus direct, median of {REPEATS}, s", ours - theirs, OVERHEAD_S, 2),
        Row(name, "through the worker / direct", ours / theirs, digits=3),
        Row(name, "segment direct, s", theirs, digits=2),
        Row(name, "segment through the worker, s", ours, digits=2),
        Row(name, "of that outside the engine, s", statistics.median(outside[1:]), digits=2),
        Row(name, "of that the caller is held, ms", 1e3 * statistics.median(held[1:]), digits=0),
        Row(name, f"find, median of {len(queries) - 1} queries, ms", 1e3 * statistics.median(queries[1:]), FIND_MS),
        Row(name, "find, slowest query, ms", 1e3 * max(queries[1:])),
        Row(name, "start until hello, s", starting),
    ]


def _texts(model: Any) -> list[str]:
    """One query to warm up, and then one for each structure, over and over."""
    from vlp3d_core.text.concepts import concepts

    names = [concepts()[name].name for name in model.bundle.concepts]
    return [names[n % len(names)] for n in range(QUERIES + 1)]


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

"""`python -m Testing.benchmarks` (or `make bench`): measure speed and memory, compare with the limits, keep the table.

A full run takes about seven minutes on two free cores and writes its table into docs/benchmarks.md; a part
(`--only`) or a smaller CT (`--shape`) is only printed. Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from Testing.benchmarks.bench_bundles import bundles
from Testing.benchmarks.bench_cold_start import cold_start
from Testing.benchmarks.bench_find import find
from Testing.benchmarks.bench_jobs import jobs_watch
from Testing.benchmarks.bench_jobs_box import jobs_box
from Testing.benchmarks.bench_segment import SHAPE, memory, segment_vs_monai
from Testing.benchmarks.bench_slicer import slicer_logic
from Testing.benchmarks.bench_training import training
from Testing.benchmarks.bench_worker import worker_overhead
from Testing.benchmarks.table import Row, as_markdown, write_table

NAMES = (
    "segment_vs_monai",
    "memory",
    "bundles",
    "find",
    "cold_start",
    "worker",
    "slicer_logic",
    "training",
    "jobs",
    "jobs_box",
)
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="some of the benchmarks")
    parser.add_argument("--shape", nargs=3, type=int, default=SHAPE, help="of the CT, for a quick look")
    args = parser.parse_args()
    i, j, k = args.shape
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="medvlp-bench-") as temporary:
        folder = Path(temporary)
        jobs = {
            "segment_vs_monai": lambda: segment_vs_monai(folder, (i, j, k), say),
            "memory": lambda: memory(folder, (i, j, k), say),
            "bundles": lambda: bundles(say),
            "find": lambda: find(folder, say),
            "cold_start": lambda: cold_start(folder, say),
            "slicer_logic": lambda: slicer_logic(folder, say),
            "training": lambda: training(folder, (i, j, k), say),
            "jobs": lambda: jobs_watch(folder, say),
            "jobs_box": lambda: jobs_box(folder, say),
            "worker": lambda: worker_overhead(folder, (i, j, k), say),
        }

        def say(text: str) -> None:
            print(f"{time.perf_counter() - begin:6.0f} s  {text}", file=sys.stderr, flush=True)

        rows: list[Row] = [row for name in NAMES if name in args.only for row in jobs[name]()]
    say("done")
    text = as_markdown(rows, "make bench")
    print(text)
    if set(args.only) == set(NAMES) and (i, j, k) == SHAPE:
        write_table(PAGE, text)
        print(f"\nWritten to {PAGE}.")
    failed = [row for row in rows if not row.passed]
    for row in failed:
        print(f"Limit missed: {row.benchmark}: {row.what}: {row.cells()[2]} ({row.cells()[3]}).", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

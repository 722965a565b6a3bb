"""`vlp3d segment` as a user runs it: a new process, from the file to the file."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from Testing.benchmarks.patient import ROOT, model_bundle, patient_file
from Testing.benchmarks.table import Row

REPEATS = 3
LIMIT_S = 15.0
IMPORTS = "import vlp3d_core.cli.segment, vlp3d_core.predict, vlp3d_core.volume"


def cold_start(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Median wall time of three runs, and how much of it Python and its imports take."""
    path, what = patient_file(folder)
    bundle, out = model_bundle(folder), folder / "out.seg.nrrd"
    segment = ["-m", "vlp3d_core.cli.main", "segment", str(path), "-o", str(out), "--model", str(bundle.folder)]
    say(f"vlp3d segment, {what}")
    whole = _median([*segment, "--device", "cpu"])
    imports = _median(["-c", IMPORTS])
    name = f"vlp3d segment, {what}, {bundle.name}"
    return [
        Row(name, f"whole process, median of {REPEATS}, s", whole, LIMIT_S),
        Row(name, "of that Python and imports, s", imports),
        Row(name, "of that Python and imports, %", 100 * imports / whole, digits=0),
    ]


def _median(arguments: Sequence[str]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)

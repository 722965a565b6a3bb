"""One pipeline in a process of its own, so that its peak memory is its own: `python -m Testing.benchmarks.worker`.

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


def run_worker(
    pipeline: str, bundle: Path, volume: Path, labels: Path, tile: Sequence[int] | None = None
) -> dict[str, Any]:
    """Start the worker and read its answer; `tile` is needed by MONAI."""
    command = [sys.executable, "-m", "Testing.benchmarks.worker", pipeline, str(bundle), str(volume), str(labels)]
    if tile is not None:
        command += ["--tile", *map(str, tile)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's ru_maxrss may be that of the process that started this one
        return _status_bytes(status, "VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident_bytes() -> int:
    """Memory resident now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _status_bytes(status: Path, key: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", choices=("ours", "monai"))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("volume", type=Path, help="folder with array.npy and affine.npy")
    parser.add_argument("labels", type=Path, help="where to save the labels (.npy)")
    parser.add_argument("--tile", type=int, nargs=3)
    args = parser.parse_args()
    from Testing.benchmarks import pipelines
    from vlp3d_core.predict.loaded import load_model
    from vlp3d_core.volume import Volume

    model = load_model(args.bundle, device="cpu")
    loaded = resident_bytes()
    volume = Volume(np.load(args.volume / "array.npy"), np.load(args.volume / "affine.npy"), "CT")
    if args.pipeline == "ours":
        labels, report = pipelines.ours(model, volume)
    else:
        labels, report = pipelines.monai(model, volume, tuple(args.tile))
    report |= {"loaded_bytes": loaded, "peak_bytes": peak_bytes(), "input_bytes": volume.array.nbytes}
    np.save(args.labels, labels)
    print(json.dumps(report))


if __name__ == "__main__":
    main()

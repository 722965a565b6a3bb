"""`segment` against MONAI's sliding window with the same network, and its memory for 1, 25 and 100 structures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from Testing.benchmarks.material import make_bundle, make_volume
from Testing.benchmarks.table import Row
from Testing.benchmarks.worker import run_worker

SHAPE = (512, 512, 300)
STRUCTURES = (1, 25, 100)
COMPARED = 25
OUTSIDE, WHOLE = 0.1, 1.0
"""Limits: our time outside the network, and the whole of `segment`, as a fraction of MONAI's."""
GROWTH, PEAK = 5.0, 3.0
"""Limits: growth of the peak from 1 to 100 structures in %, and the peak beyond the model in input sizes."""


def segment_vs_monai(folder: Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> list[Row]:
    """Whole time and time outside the network's forward pass, both pipelines."""
    our = _run(folder, "ours", COMPARED, shape, say)
    their = _run(folder, "monai", COMPARED, shape, say, our["tile"])
    # Resampling the image is the same code on both sides; it counts as our time and not as theirs.
    ours_outside = our["total"] - our["network"]
    theirs_outside = their["total"] - their["network"] - their["stages"]["prepare"]
    lean_outside = their["stages"]["sliding window"] + their["lean"]
    labels = [np.load(_labels(folder, pipeline, COMPARED), mmap_mode="r") for pipeline in ("ours", "monai")]
    name = f"segment, {COMPARED} structures, " + "×".join(map(str, shape))
    return [
        Row(name, "outside the network, ours / MONAI", ours_outside / theirs_outside, OUTSIDE, 3),
        Row(name, "whole, ours / MONAI", our["total"] / their["total"], WHOLE, 3),
        Row(name, "outside the network, ours / MONAI with lean upsampling", ours_outside / lean_outside, digits=3),
        Row(name, "ours outside the network, s", ours_outside, digits=2),
        Row(name, "MONAI outside the network, s", theirs_outside, digits=2),
        Row(name, "MONAI with lean upsampling outside the network, s", lean_outside, digits=2),
        *(Row(name, f"MONAI: {stage}, s", seconds, digits=2) for stage, seconds in their["stages"].items()),
        *(Row(name, f"ours: {stage}, s", seconds, digits=2) for stage, seconds in our["stages"].items()),
        Row(name, f"ours, whole ({our['windows']} windows of {_size(our['tile'])}), s", our["total"]),
        Row(name, f"MONAI, whole ({their['windows']} windows of {_size(their['tile'])}), s", their["total"]),
        Row(name, "structures found by ours", our["found"], digits=0),
        Row(name, "voxels labelled by ours, %", 100 * _labelled(labels[0])),
        Row(name, "voxels on which both agree, %", 100 * _agreement(labels[0], labels[1])),
        Row(name, "peak of MONAI beyond the model, input sizes", _peak(their), digits=2),
    ]


def memory(folder: Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> list[Row]:
    """Peak resident memory of a fresh process that segments, for models of 1, 25 and 100 structures."""
    runs = {n: _run(folder, "ours", n, shape, say) for n in STRUCTURES}
    first, last = runs[STRUCTURES[0]], runs[STRUCTURES[-1]]
    name = "memory, " + "×".join(map(str, shape))
    growth = 100 * (last["peak_bytes"] / first["peak_bytes"] - 1)
    return [
        Row(name, f"growth of the peak from {STRUCTURES[0]} to {STRUCTURES[-1]} structures, %", growth, GROWTH, 2),
        Row(name, "largest peak beyond the model, input sizes", max(map(_peak, runs.values())), PEAK, 2),
        Row(name, "input as float32, MB", first["input_bytes"] / 1e6, digits=0),
        Row(name, "process with the model loaded, MB", first["loaded_bytes"] / 1e6, digits=0),
        *(Row(name, f"peak with {n} structures, MB", run["peak_bytes"] / 1e6, digits=0) for n, run in runs.items()),
        *(
            Row(name, f"outside the network with {n} structures, s", run["total"] - run["network"], digits=2)
            for n, run in runs.items()
        ),
    ]


_done: dict[tuple[str, int], dict[str, Any]] = {}


def _run(
    folder: Path,
    pipeline: str,
    structures: int,
    shape: tuple[int, int, int],
    say: Callable[[str], None],
    tile: list[int] | None = None,
) -> dict[str, Any]:
    """One run, which both benchmarks may use; volume and bundle are made when they are first needed."""
    if (pipeline, structures) not in _done:
        if not (folder / "affine.npy").exists():
            say("making the CT")
            volume = make_volume(shape)
            np.save(folder / "array.npy", volume.array)
            np.save(folder / "affine.npy", volume.affine)
        bundle = folder / f"bundle-{structures}"
        if not bundle.exists():
            say(f"making the model of {structures} structures")
            make_bundle(bundle, structures)
        say(f"{pipeline}, {structures} structures")
        _done[pipeline, structures] = run_worker(pipeline, bundle, folder, _labels(folder, pipeline, structures), tile)
    return _done[pipeline, structures]


def _labels(folder: Path, pipeline: str, structures: int) -> Path:
    return folder / f"labels-{pipeline}-{structures}.npy"


def _peak(run: dict[str, Any]) -> float:
    return float((run["peak_bytes"] - run["loaded_bytes"]) / run["input_bytes"])


def _labelled(labels: np.ndarray) -> float:
    return float(np.count_nonzero(labels) / labels.size)


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean([np.mean(a[:, :, k] == b[:, :, k]) for k in range(a.shape[2])]))


def _size(tile: list[int]) -> str:
    return "×".join(map(str, tile))

"""Training: is reading data the limit, what does a patch cost, and how does memory grow with a contrastive batch?"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from Testing.benchmarks.table import Row

STUDIES, STEPS = 48, 8
PATCHES = 40
PATCH = (64, 64, 64)
PAIRS = (1024, 4096)


def training(folder: Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> list[Row]:
    """All three; `shape` is that of the CT whose patches are read."""
    return [*_loader(folder, say), *_patch_read(folder, shape, say), *_memory(say)]


def _loader(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Steps of the small GTGM recipe with batches from disk against steps with one batch that stays in memory."""
    import torch
    from torch.utils.data import DataLoader

    from vlp3d_core.text.encoder import TextEncoder
    from vlp3d_core.text.report.vectors import report_vectors
    from vlp3d_core.train.gtgm import GTGM
    from vlp3d_core.train.importers.studies import make_studies
    from vlp3d_core.train.manifest import read_manifest
    from vlp3d_core.train.pairs import PairDataset, Text, join
    from vlp3d_core.train.pretrain_config import load_pretrain_config
    from vlp3d_core.train.store import preprocess
    from vlp3d_core.volume.normalise import Normalisation

    say(f"training: {STUDIES} studies")
    config = load_pretrain_config("gtgm", "small", ["precision=32-true"])
    cases = read_manifest(make_studies(STUDIES, 5, folder / "studies", (8.0, 8.0, 8.0)))
    normalisation = Normalisation.from_json(config.normalisation)
    stored = preprocess(cases, folder / "cache", (), config.spacing, normalisation)
    texts = [Text(v) for v in report_vectors([case.report for case in cases], TextEncoder.load())]
    items = PairDataset(stored, texts, config.patch, 0)
    order = range(config.batch * (STEPS + 1))
    torch.manual_seed(0)
    module = GTGM(config, texts[0].sentences.shape[1])
    optimiser = torch.optim.AdamW(module.parameters(), 1e-4)

    def step(batch: dict[str, object], number: int) -> None:
        optimiser.zero_grad()
        terms = module.losses(batch, torch.Generator().manual_seed(number))
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()

    constant = join([items[n] for n in range(config.batch)])
    step(constant, 0)
    seconds = {"disk": 0.0, "memory": 0.0}
    batches = iter(DataLoader(items, config.batch, sampler=order, num_workers=config.workers, collate_fn=join))
    say(f"training: {STEPS} steps from disk and from memory, in turn")
    for number in range(STEPS):
        begin = time.perf_counter()
        step(next(batches), number)
        middle = time.perf_counter()
        step(constant, number)
        seconds["disk"] += middle - begin
        seconds["memory"] += time.perf_counter() - middle
    ratio = seconds["disk"] / seconds["memory"]
    return [
        Row("training", "a step with batches from disk / from memory (gtgm-small)", ratio, 1 / 0.9, 2),
        Row("training", "seconds a step, from memory", seconds["memory"] / STEPS, digits=2),
    ]


def _patch_read(folder: Path, shape: tuple[int, int, int], say: Callable[[str], None]) -> list[Row]:
    """Patches from the store against opening the `.nii.gz` for each, which is the alternative without a store."""
    import nibabel
    import numpy as np

    from vlp3d_core.train.chunks import open_chunks, write_chunks

    say("training: patches")
    rng = np.random.default_rng(0)
    array = rng.normal(0, 0.3, shape).astype(np.float16)
    write_chunks(folder / "image.b2nd", array)
    nibabel.save(nibabel.Nifti1Image((1000 * array).astype(np.int16), np.eye(4)), folder / "image.nii.gz")
    corners = [[int(rng.integers(0, max(1, n - p))) for n, p in zip(shape, PATCH, strict=True)] for _ in range(PATCHES)]
    boxes = [tuple(slice(c, c + p) for c, p in zip(corner, PATCH, strict=True)) for corner in corners]
    opened = open_chunks(folder / "image.b2nd")
    fast = statistics.median(_timed(lambda box=box: opened[box]) for box in boxes)
    nifti = folder / "image.nii.gz"
    slow = statistics.median(
        _timed(lambda box=box: np.asarray(nibabel.load(nifti).dataobj[box])) for box in islice(boxes, 3)
    )
    what = "×".join(map(str, PATCH))
    return [
        Row("patch read", f"a patch of {what}: store / .nii.gz (nibabel)", fast / slow, 1 / 50, 4),
        Row("patch read", "from the store, ms", 1e3 * fast),
    ]


def _timed(read: Callable[[], object]) -> float:
    begin = time.perf_counter()
    read()
    return time.perf_counter() - begin


_CHILD = """
import re, sys, torch
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.losses.siglip import SigLIP
loss = info_nce if sys.argv[1] == "info-nce" else SigLIP()
def run(pairs):
    a, b = (torch.randn(pairs, 512).requires_grad_() for _ in range(2))
    loss(a, b).backward()
def kilobytes(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
run(300)  # what the libraries themselves take
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted anew from here
before = kilobytes("VmRSS")
run(int(sys.argv[2]))
print((kilobytes("VmHWM") - before) / 1024)
"""


def _memory(say: Callable[[str], None]) -> list[Row]:
    """Peak memory of loss and gradient, vectors of 512 numbers, each size in a process of its own (Linux only)."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    rows = []
    for name in ("info-nce", "siglip"):
        say(f"training: memory of {name}")
        few, many = (_peak(name, pairs) for pairs in PAIRS)
        growth = many / few / (PAIRS[1] / PAIRS[0])
        rows += [
            Row(name, f"memory a pair, {PAIRS[1]} pairs / {PAIRS[0]} pairs (1 is linear)", growth, 1.25, 2),
            Row(name, f"MiB for {PAIRS[1]} pairs", many, digits=0),
        ]
    return rows


def _peak(name: str, pairs: int) -> float:
    # Large tensors go back to the system when they are freed, else the peak would tell of glibc's habits.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CHILD, name, str(pairs)]
    return float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

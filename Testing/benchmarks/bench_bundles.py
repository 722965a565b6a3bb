"""Each embedded model on a whole volume of its kind, warm: how long."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from Testing.benchmarks.table import Row
from vlp3d_core.volume import Volume

LIMIT_S = 12.0
"""Limit: a whole volume, s."""
RUNS = 3
SEED = 20


def bundles(say: Callable[[str], None]) -> list[Row]:
    """Median of three runs after one to warm up, with all structures, clean-up and the way to the volume's own grid."""
    from vlp3d_core.predict.loaded import load_model

    rows = []
    for name, (what, make) in VOLUMES.items():
        say(f"bundles: {name}")
        volume, model = make(), load_model(name, device="cpu")
        model.segment(volume)
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            model.segment(volume)
            seconds.append(time.perf_counter() - start)
        shape = "×".join(map(str, volume.shape))
        rows.append(Row(f"bundles, {name}, {what}, {shape}", "whole, s", statistics.median(seconds), LIMIT_S))
    return rows


def _phantom(region: str, modality: str, mm: float, size: tuple[int, int, int]) -> Volume:
    from vlp3d_core.phantom import make_phantom

    return make_phantom(SEED, region, spacing=(mm, mm, mm), size=size, modality=modality).volume


def _em() -> Volume:
    from vlp3d_core.phantom import make_em

    return make_em(SEED, (8e-6, 8e-6, 8e-6), (128, 128, 128)).volume


VOLUMES: dict[str, tuple[str, Callable[[], Volume]]] = {
    "ct-head-neck": ("phantom at 3 mm", lambda: _phantom("head-neck", "CT", 3, (128, 128, 100))),
    "ct-trunk": ("phantom at 3 mm", lambda: _phantom("trunk", "CT", 3, (128, 128, 150))),
    "mr-brain": ("phantom at 1 mm", lambda: _phantom("head-neck", "MR", 1, (180, 220, 180))),
    "mr-hippocampus": ("phantom at 1 mm", lambda: _phantom("head-neck", "MR", 1, (36, 52, 36))),
    "em-neurons": ("phantom at 8 nm", _em),
}

"""Phantom studies on disk: volumes, label maps, reports and a manifest, for pretraining and its controls.

They are drawings by formulas, not patients: what is learned on them shows that the software works.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom import make_study
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

SPLITS = ("train",) * 7 + ("validation", "test", "test")
"""Of ten studies in a row."""
MOST = 1_000_000


def make_studies(
    count: int,
    seed: int,
    folder: Path,
    spacing: Sequence[float] | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Path:
    """Write studies into `folder`, with `manifest.jsonl`; those that are there already stay as they are.

    Study n of a seed is the same whatever the count; seven of ten are for training, one for validation, two for test.

    Raises:
        UsageError: a count, seed or spacing that makes no studies.
        MedVLPError: the folder cannot be written.
        Cancelled: `cancel` said so; what is complete stays, and the same call goes on from there.
    """
    if not 0 < count <= MOST:
        raise UsageError(f"{count} studies cannot be made.", f"Ask for 1 to {MOST}.")
    folder.mkdir(parents=True, exist_ok=True)
    one = partial(_make, seed=seed, folder=folder, spacing=None if spacing is None else tuple(spacing))
    cases = []
    # "spawn": a forked child would inherit locks of libraries whose threads it does not have.
    with ProcessPoolExecutor(min(count, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        try:
            for number, case in enumerate(pool.map(one, range(count), chunksize=1), 1):
                cases.append(case)
                progress("drawing", number / count)
                check(cancel)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    manifest = folder / "manifest.jsonl"
    write_manifest(cases, manifest)
    return manifest


def _make(index: int, seed: int, folder: Path, spacing: tuple[float, ...] | None) -> Case:
    """Draw and write one study; its own line of the manifest is written last and says that it is complete."""
    name = f"study-{seed}-{index:05d}"
    line = folder / f"{name}.jsonl"
    if line.exists():
        (case,) = read_manifest(line)
        return replace(case, image=Path(case.image.name), label=case.label and Path(case.label.name))
    study = make_study(seed * MOST + index, spacing)
    image, label = Path(f"{name}_ct.nii.gz"), Path(f"{name}_labels.nii.gz")
    write_volume(study.phantom.volume, folder / image)
    write_segmentation(study.phantom.segmentation(), folder / label)
    split = SPLITS[index % len(SPLITS)]
    case = Case(image, name, split, label, study.phantom.values, None, "CT", study.report)
    write_manifest([case], line)
    return case

"""Phantom studies on disk: volumes, label maps, reports and a manifest, for pretraining and its controls.

They are drawings by formulas, neither patients nor tissue: what is learned on them shows that the software works.
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
from vlp3d_core.phantom import CONTRASTS, Study, make_em_study, make_study
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.text.report import StudyFacts
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
    modality: str = "CT",
    contrast: str = "",
) -> Path:
    """Write studies into `folder`, with `manifest.jsonl`; those that are there already stay as they are.

    Study n of a seed is the same whatever the count, and shows the same patient in CT and MR, always in the same split;
    seven of ten are for training, one for validation, two for test.

    Args:
        spacing: in mm, also for EM; None: drawn for each study.
        modality: "CT", "MR" or "EM".
        contrast: of an MR, one of `CONTRASTS`; "": drawn for each study.

    Raises:
        UsageError: a count, seed, spacing, modality or contrast that makes no studies.
        MedVLPError: the folder cannot be written.
        Cancelled: `cancel` said so; what is complete stays, and the same call goes on from there.
    """
    if not 0 < count <= MOST:
        raise UsageError(f"{count} studies cannot be made.", f"Ask for 1 to {MOST}.")
    if modality not in ("CT", "MR", "EM") or contrast not in ("", *(CONTRASTS if modality == "MR" else ())):
        raise UsageError(
            f"There are no {modality} {contrast} studies.", f"Choose CT, EM, or MR with one of {', '.join(CONTRASTS)}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    voxel = None if spacing is None else tuple(spacing)
    one = partial(_make, seed=seed, folder=folder, spacing=voxel, modality=modality, contrast=contrast)
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


def _make(index: int, seed: int, folder: Path, spacing: tuple[float, ...] | None, modality: str, contrast: str) -> Case:
    """Draw and write one study; its own line of the manifest is written last and says that it is complete."""
    subject = f"{'block' if modality == 'EM' else 'study'}-{seed}-{index:05d}"
    kind = modality.lower() + (f"-{contrast.lower()}" if contrast else "")
    name = subject if modality == "CT" else f"{subject}-{kind}"  # one folder may hold a patient's CT and MR
    line = folder / f"{name}.jsonl"
    if line.exists():
        (case,) = read_manifest(line)
        return replace(case, image=Path(case.image.name), label=case.label and Path(case.label.name))
    study = _draw(seed * MOST + index, spacing, modality, contrast)
    image, label = Path(f"{subject}_{kind}.nii.gz"), Path(f"{name}_labels.nii.gz")
    write_volume(study.phantom.volume, folder / image)
    write_segmentation(study.phantom.segmentation(), folder / label)
    split = SPLITS[index % len(SPLITS)]
    findings = _findings(study.facts)
    case = Case(image, subject, split, label, study.phantom.values, None, modality, study.report, findings=findings)
    write_manifest([case], line)
    return case


def _draw(seed: int, spacing: tuple[float, ...] | None, modality: str, contrast: str) -> Study:
    if modality == "EM":
        return make_em_study(seed, spacing)
    return make_study(seed, spacing, modality=modality, contrast=contrast)


def _findings(facts: StudyFacts) -> dict[str, bool]:
    """Kinds that are there, and those that were looked for and are not."""
    return dict.fromkeys(facts.none, False) | {finding.kind: True for finding in facts.findings}

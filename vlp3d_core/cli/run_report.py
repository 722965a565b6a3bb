"""Gathers what the report page of a run shows, and writes it into the run's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlp3d_core.cli.output import print_note
from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.retrieval import Direction, likeness_of_sets, retrieval
from vlp3d_core.evaluate.run_curves import read_curves
from vlp3d_core.evaluate.run_examples import Study, pictures, searches
from vlp3d_core.evaluate.run_page import RunPage, run_page
from vlp3d_core.files import replacing, sha256_of
from vlp3d_core.model.pretrained import CARD, Pretrained, load_pretrained
from vlp3d_core.predict.represent import crop_vector, middle_crop, text_vector
from vlp3d_core.progress import Progress, silent
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.report import parse_report
from vlp3d_core.text.report.vectors import report_vectors
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.pairs import derangement
from vlp3d_core.train.run_folder import SETTINGS
from vlp3d_core.train.run_record import read_parts
from vlp3d_core.train.store import Stored, preprocess

PAGE = "report.html"
MOST = 300
"""Validation studies that are embedded; `vlp3d evaluate retrieval` takes all."""
NOT_HERE = "Not run by this page: random initialisation and supervised training with the same network, data and steps."


@dataclass(frozen=True)
class Written:
    """The page, and what it says to be missing."""

    path: Path
    notes: tuple[str, ...]


def write_report(out: Path, manifest: Path | None = None, progress: Progress = silent) -> Written:
    """Write `out/report.html`.

    Args:
        out: the run's folder.
        manifest: where the run's manifest is, if not where it was.

    Raises:
        MedVLPError: no run there, or the page cannot be written.
    """
    try:
        settings = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise MedVLPError(f"{out} holds no training run.", "Give the --out folder of a run.") from error
    parts = read_parts(out)
    curves = read_curves(out / "csv" / "metrics.csv")
    page = RunPage(_title(out, settings), _facts(settings, parts), parts, settings, curves)
    if not curves:
        page = replace(page, notes=["No metrics were logged yet."])
    if "method" in settings:
        page = _with_retrieval(page, out, manifest, progress)
    with replacing(out / PAGE) as temporary:
        temporary.write_text(run_page(page), encoding="utf-8", errors="replace")
    return Written(out / PAGE, tuple(page.notes))


def write_report_at_end(out: Path, progress: Progress) -> None:
    """The same after a run; a run that has ended well does not fail over its page."""
    try:
        write_report(out, None, progress)
    except Exception as error:
        print_note(f"{out / PAGE} was not written: {error} `vlp3d report` tries it again.")


def _title(out: Path, settings: dict[str, Any]) -> str:
    kind = next((settings[k] for k in ("method", "name", "task") if settings.get(k)), "Run")
    return f"{kind}: {out.resolve().name}"


def _facts(settings: dict[str, Any], parts: Sequence[dict[str, Any]]) -> dict[str, str]:
    last = parts[-1] if parts else {}
    hardware, git = last.get("hardware") or {}, last.get("git")
    seconds = sum(part.get("seconds") or 0 for part in parts)
    commit = f"{git['commit'][:12]}{', with changes' if git['dirty'] else ''}" if git else "not from a checkout"
    where = ", ".join([*hardware.get("gpus", ()), f"{hardware.get('cpu')}, {hardware.get('threads')} threads"])
    return {
        "Steps": f"{settings.get('steps')}, {settings.get('batch')} items a batch, seed {settings.get('seed')}",
        "Ended": f"{last.get('end', 'unknown')} {last.get('ended') or ''}".strip(),
        "Time": f"{seconds / 60:.1f} minutes in {len(parts)} part{'' if len(parts) == 1 else 's'}",
        "Hardware": where if hardware else "unknown",
        "Source": commit if parts else "unknown",
        "Manifest": (last.get("manifest") or {}).get("name", "unknown"),
    }


def _with_retrieval(page: RunPage, out: Path, manifest: Path | None, progress: Progress) -> RunPage:
    shuffle = page.settings.get("shuffle") or ""
    trained = f"This run was trained on false pairs (shuffle={shuffle})." if shuffle else "Trained on true pairs."
    page = replace(page, controls=[trained, NOT_HERE])
    try:
        pretrained, cases = _validation(page, out, manifest)
    except MedVLPError as error:
        return replace(page, notes=[*page.notes, f"Without retrieval: {error}"])
    if len(cases) > MOST:
        page = replace(page, notes=[*page.notes, f"{MOST} of {len(cases)} validation studies are searched."])
        cases = [cases[n] for n in np.linspace(0, len(cases) - 1, MOST).astype(int)]
    images, texts, studies = _embedded(pretrained, cases, out, progress)
    reports = [case.report for case in cases]
    found, control = (_scores(images[order], texts, cases) for order in _orders(len(cases)))
    false = control["text_to_image"]
    searched = (
        "Searched with every report given another study's volume: recall@1 is "
        f"{100 * false.recall[1]:.1f} %, chance {100 * false.chance[1]:.1f} %."
    )
    return replace(
        page,
        controls=[trained, searched, NOT_HERE],
        retrieval={"": found, "shuffled images": {"text_to_image": false}},
        studies=studies,
        by_report=searches(texts, images, reports),
        by_volume=searches(images, texts, reports),
    )


def _orders(count: int) -> tuple[Any, Any]:
    return np.arange(count), derangement(count, 0)


def _scores(images: Any, texts: Any, cases: Sequence[Case]) -> dict[str, Direction]:
    reports = [case.report for case in cases]
    likeness = likeness_of_sets([parse_report(report).statements() for report in reports])
    return retrieval(images, texts, reports, [case.subject for case in cases], likeness)


def _validation(page: RunPage, out: Path, manifest: Path | None) -> tuple[Pretrained, list[Case]]:
    """The model and the validation pairs.

    Raises:
        MedVLPError: the run has not ended, or its manifest is not there or not the same any more.
    """
    from vlp3d_core.train.pretrain import pairs_in

    if not (out / CARD).is_file():
        raise MedVLPError("The run has not ended yet.")
    pretrained = load_pretrained(out)
    if TextEncoder.load().sha256 != pretrained.card["text_encoder"]["sha256"]:
        raise MedVLPError("The run was trained with another text encoder than the embedded one.")
    named = (page.parts[-1].get("manifest") or {}) if page.parts else {}
    path = manifest or Path(named.get("path", ""))
    if not path.is_file():
        raise MedVLPError(f"The manifest {named.get('name', '')} is not where it was.", "Name it with --manifest.")
    if named and sha256_of(path) != named.get("sha256"):
        raise MedVLPError(f"{path} is not the manifest that the run was trained with.")
    return pretrained, [case for case in pairs_in(path) if case.split == "validation"]


def _embedded(
    pretrained: Pretrained, cases: Sequence[Case], out: Path, progress: Progress
) -> tuple[Any, Any, list[Study]]:
    """Vectors of volumes and of reports, and the studies to look at."""
    bare = [replace(case, label=None, labels={}) for case in cases]
    stored: list[Stored] = preprocess(bare, out / "cache", (), pretrained.spacing, pretrained.normalisation, progress)
    images, studies = [], []
    for number, (case, volume) in enumerate(zip(cases, stored, strict=True), 1):
        crop = middle_crop(pretrained, volume.image[:])
        images.append(crop_vector(pretrained, crop))
        studies.append(Study(case.subject, case.report, pictures(crop, pretrained.spacing)))
        progress("report page", number / len(cases))
    vectors = report_vectors([case.report for case in cases], TextEncoder.load())
    return np.stack(images), np.stack([text_vector(pretrained, v) for v in vectors]), studies

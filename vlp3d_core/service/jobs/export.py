"""What a job has made, for use elsewhere: the model with its card, the report page, and how it was made."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import replacing
from vlp3d_core.service.jobs.command import METRICS, RUN
from vlp3d_core.service.jobs.folder import RECIPE, RESULT, SPEC, JobFolder
from vlp3d_core.service.jobs.log import LOG, OLDER

IN_RUN = (
    "bundle",
    "report.html",
    "pretrained.json",
    "pretrained.safetensors",
    "classifier.json",
    "classifier.safetensors",
    "subjects.json",
    "captioned.jsonl",
    "config.json",
    "run.json",
)
"""Of a run's folder. Checkpoints and the cache of volumes stay: they are large, and of use here only."""
WHERE = "Choose a folder that exists, is writable and has free space."


def export(job: JobFolder, out: Path) -> Path:
    """Write the results of a job that is done into a new folder, or into a zip file when the name says so.

    Raises:
        UsageError: the folder exists.
        MedVLPError: the job is not done, or the place cannot be written.
    """
    state = job.state()
    if state.state != "done":
        raise MedVLPError(f"The job {job.id} is {state.state} and has no result yet.", "Wait until it is done.")
    if out.suffix.lower() == ".zip":
        with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, name in _files(job):
                archive.write(path, name)
        return out
    if os.path.lexists(out):
        raise UsageError(f"{out} exists.", "Name a new folder, or a .zip file.")
    _copy(job, out)
    return out


def _copy(job: JobFolder, out: Path) -> None:
    new: Path | None = None
    try:
        new = Path(tempfile.mkdtemp(prefix=".vlp3d-", dir=out.absolute().parent))
        new.chmod(0o755)
        for path, name in _files(job):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, new / name)
        new.rename(out)
    except OSError as error:
        raise MedVLPError(f"Cannot write {out}: {error.strerror}.", WHERE) from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)


def _files(job: JobFolder) -> Iterator[tuple[Path, str]]:
    """Each file, and its name in the result. Links are left out: they may lead anywhere."""
    run = job.path / RUN
    wanted = [
        *((run / name, name) for name in IN_RUN),
        (job.path / METRICS, "metrics.csv"),
        *((job.path / name, name) for name in (SPEC, RECIPE, RESULT, LOG, OLDER)),
    ]
    for path, name in wanted:
        if path.is_symlink():
            continue
        if path.is_dir():
            inner = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
            yield from ((p, f"{name}/{p.relative_to(path).as_posix()}") for p in inner)
        elif path.is_file():
            yield path, name

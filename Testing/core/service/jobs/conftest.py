"""A folder of jobs with an odd name, and commands that really run: one fails at once, one waits for a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from Testing.core.service.conftest import PATIENCE, eventually
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.child import end_tree
from vlp3d_core.service.jobs.spec import JobSpec, Resources
from vlp3d_core.service.jobs.state import State, read_state

posix = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and POSIX signals")
MakeSpec = Callable[..., JobSpec]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """What still runs at the end of a test is ended."""
    made = Jobs(tmp_path / "Aufträge von mir")
    yield made
    for view in made.list():
        for owner in _owners(view.folder):
            end_tree(owner)


@pytest.fixture
def waiting(tmp_path: Path) -> MakeSpec:
    """An evaluation of a run whose card is a FIFO: the real command, which waits until somebody writes there."""
    run = tmp_path / "Ein Lauf"
    run.mkdir()
    os.mkfifo(run / "pretrained.json")
    manifest = tmp_path / "Ein Verzeichnis.jsonl"
    with manifest.open("w") as lines:
        for subject in ("a", "b"):  # fewer pairs are refused before the card is read
            (tmp_path / f"{subject}.nii.gz").touch()
            line = {"image": f"{subject}.nii.gz", "subject": subject, "split": "test", "report": "No nodule."}
            lines.write(json.dumps(line) + "\n")
    return lambda **more: JobSpec(
        "evaluate",
        str(manifest),
        "Prüfung",
        method="retrieval",
        options={"checkpoint": str(run)},
        resources=Resources(0, 0.001, **more),
    )


@pytest.fixture
def failing(tmp_path: Path) -> JobSpec:
    """A check that ends at once: the manifest has no cases."""
    manifest = tmp_path / "leer.jsonl"
    manifest.write_text("")
    return JobSpec("preprocess", str(manifest), resources=Resources(0, 0.001))


def until(jobs: Jobs, id: str, *states: str) -> State:
    """Wait for one of the states, and for the command where it is to run."""
    job = jobs.find(id)

    def there() -> bool:
        state = job.state()
        return state.state in states and (state.state != "running" or state.command is not None)

    assert eventually(there, PATIENCE), job.state()
    return job.state()


def process_of(jobs: Jobs, id: str, which: str = "command") -> psutil.Process:
    """The supervisor ("owner") or the command of a job that runs."""
    return psutil.Process(getattr(read_state(jobs.find(id).path), which).pid)


def _owners(folder: Path) -> list:
    try:
        state = read_state(folder)
    except Exception:
        return []
    return [owner for owner in (state.owner, state.command) if owner is not None and not owner.gone]

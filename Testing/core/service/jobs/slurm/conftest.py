"""A SLURM for all tests, a profile for each, and the names of what is missing where there is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.core.service.jobs.slurm.cluster import Cluster, missing_programs
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.slurm import queue

ROOT = Path(__file__).parents[5]
MakeProfile = Callable[..., str]


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if missing := missing_programs():
        pytest.skip(f"SLURM is not installed ({', '.join(missing)}); Debian: apt-get install slurm-wlm munge")
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The commands of this process know it."""
    monkeypatch.setenv("SLURM_CONF", str(running_cluster.conf))
    monkeypatch.setattr(queue, "EVERY", 0.3)
    return running_cluster


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProfile:
    """Writes a profile whose jobs import this package, and gives it as a target."""
    folder = tmp_path / "Profile für alles"
    folder.mkdir()
    monkeypatch.setenv("MEDVLP_SLURM", str(folder))

    def make(name: str = "Rechner groß", **more: Any) -> str:
        setup = [f"export PYTHONPATH={ROOT} OMP_NUM_THREADS=1", *more.pop("setup", [])]
        value = {"python": sys.executable, "partition": "work", "setup": setup, **more}
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
        return f"slurm:{name}"

    return make


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """What still runs at the end of a test is ended."""
    made = Jobs(tmp_path / "Aufträge von 100% mir")
    yield made
    for view in made.list():
        if view.state in ("queued", "running", "finishing"):
            number = made.find(view.id).state().target.get("job")
            target = made.target(view.target)
            from vlp3d_core.service.jobs.slurm.shell import run

            run(target.profile, "scancel", "--signal=KILL", "--full", str(number))  # type: ignore[attr-defined]
            run(target.profile, "scancel", str(number))  # type: ignore[attr-defined]

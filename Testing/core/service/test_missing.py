"""A Python that lacks what the worker needs: one sentence says what is missing, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest

from Testing.core.service.conftest import PATIENCE
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service import process
from vlp3d_core.service.client import Worker
from vlp3d_core.volume import Volume

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links packages into a folder")


@pytest.fixture
def only_numpy(tmp_path: Path) -> Path:
    """A folder of packages that holds numpy and nothing else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for top in {Path(f).parts[0] for f in files("numpy") or () if not Path(f).parts[0].startswith(".")}:
        source = next(Path(p) / top for p in sys.path if (Path(p) / top).exists())
        (folder / top).symlink_to(source)
    return folder


def bare(*options: str) -> Any:
    """A launcher that gives the interpreter options, in a folder that holds nothing."""

    def launcher(command: Sequence[str], environment: dict[str, str]) -> Any:
        python, *rest = command
        here = Path.cwd()
        os.chdir("/")
        try:
            return process.launch([python, *options, *rest], environment)
        finally:
            os.chdir(here)

    return launcher


def test_without_torch(only_numpy: Path, fine_head: Volume) -> None:
    worker = Worker(environment={"PYTHONPATH": str(only_numpy)}, launcher=bare("-S"))
    with pytest.raises(MedVLPError, match=r"The Python package torch is not installed in .*python") as caught:
        worker.wait(worker.hello(), PATIENCE)
    assert "pip install" in caught.value.remedy
    with pytest.raises(MedVLPError, match="The Python package torch is not installed"):
        worker.wait(worker.segment(fine_head), PATIENCE)
    with pytest.raises(MedVLPError, match=r"The Python package (platformdirs|jsonschema) is not installed"):
        worker.wait(worker.models(), PATIENCE)
    assert worker.running, "what is missing can be installed while it runs"
    worker.close()


def test_without_numpy(fine_head: Volume) -> None:
    worker = Worker(environment={}, launcher=bare("-S"))
    jobs = [worker.segment(fine_head), worker.hello()]
    for job in jobs:
        with pytest.raises(MedVLPError, match="The Python package numpy is not installed"):
            worker.wait(job, PATIENCE)
    assert "Traceback" in worker.details and not worker.running
    worker.close()


def test_without_this_package() -> None:
    worker = Worker(environment={}, launcher=bare("-S", "-E"))
    with pytest.raises(MedVLPError, match="The Python package vlp3d_core is not installed"):
        worker.wait(worker.hello(), PATIENCE)
    worker.close()

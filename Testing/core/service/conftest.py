"""One warm worker for all tests that leave it alive (it takes seconds to load torch), and what watches processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from Testing.core.tiny import toy_grid, toy_head
from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.service.client import Worker
from vlp3d_core.volume import Volume

PATIENCE = 300.0
"""Seconds that a step may take on a machine that is busy with something else; nothing here waits that long."""


@pytest.fixture(scope="session")
def environment(tiny_bundle: Path) -> dict[str, str]:
    """In which a worker knows the model "ct-tiny"."""
    return {**os.environ, "MEDVLP_MODELS": str(tiny_bundle.parent)}


@pytest.fixture(scope="session")
def warm(environment: dict[str, str]) -> Iterator[Worker]:
    """A worker with torch loaded. Do not kill or close it."""
    worker = Worker(environment=environment)
    worker.wait(worker.hello(), PATIENCE)
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def engine(tiny_bundle: Path) -> LoadedModel:
    """The same model in this process."""
    return load_model(tiny_bundle, "cpu")


@pytest.fixture(scope="session")
def fine_head() -> Volume:
    """The toy head at 2 mm, as int16 in the memory order of a VTK image."""
    head = toy_head(toy_grid((2.0, 2.0, 2.0)))
    return Volume(np.asfortranarray(head.array.astype(np.int16)), head.affine, "CT")


def child_of(worker: Worker) -> psutil.Process:
    """The process of a running worker."""
    assert worker._uploads is not None
    return psutil.Process(worker._uploads.process._child.pid)


def folder_of(worker: Worker) -> Path:
    """Its private folder."""
    assert worker._uploads is not None
    return worker._uploads.process.folder


def files_of(worker: Worker) -> list[str]:
    """What lies in its private folder, the owner's lock aside."""
    return sorted(p.name for p in folder_of(worker).iterdir() if p.name != "owner.lock")


def open_files(process: psutil.Process) -> int:
    """How many files and pipes a process has open."""
    return int(process.num_handles() if os.name == "nt" else process.num_fds())


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something becomes true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True

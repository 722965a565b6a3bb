"""The panel in the wiring host, with a real worker and the tiny model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # Qt looks at it once, when the application is made
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed", exc_type=ImportError)

from vlp3d_core.service.client import Worker  # noqa: E402

PATIENCE = 300.0
"""Seconds until a wait is a hang; loading torch takes long on a busy machine."""


class SharedWorker(Worker):
    """A real worker that outlives panels: starting a process for every test would take minutes."""

    def close(self) -> None:
        """Stop what the panel has asked for, and keep the process."""
        for opened in list(self._open.values()):
            self.cancel(opened.job)
        self.poll()

    def end(self) -> None:
        """What `close` does otherwise."""
        super().close()


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds the tiny models ("ct-tiny", "em-tiny", see `Testing/core`), made known to workers."""
    from Testing.core.tiny import write_tiny_bundle
    from Testing.core.tiny_em import write_tiny_em

    folder = write_tiny_bundle(tmp_path_factory.mktemp("models") / "ct-tiny").folder.parent
    write_tiny_em(folder / "em-tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDVLP_MODELS", str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield folder


@pytest.fixture(scope="session")
def shared_worker(tiny_models: Path) -> Iterator[SharedWorker]:
    """One worker process for all panels."""
    worker = SharedWorker()
    yield worker
    worker.end()


@pytest.fixture
def host(tmp_path: Path, shared_worker: SharedWorker) -> Iterator[Any]:
    """A host around an empty scene, whose panels share one worker. No slot may have raised by the end."""
    yield from _host(tmp_path, lambda python: shared_worker)


@pytest.fixture
def plain_host(tmp_path: Path, tiny_models: Path) -> Iterator[Any]:
    """A host whose panels start and end their own workers, as in Slicer."""
    yield from _host(tmp_path, None)


def _host(folder: Path, worker: Callable[[str], Worker] | None) -> Iterator[Any]:
    from Testing.wiring.host.application import running
    from Testing.wiring.host.pythonqt import slot_errors

    with running(folder, worker) as made:
        yield made
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


@pytest.fixture
def widget(host: Any) -> Any:
    """The module's widget, opened, with the tiny model chosen."""
    widget = host.open()
    widget.panel.parameters.model = "ct-tiny"
    host.pending()
    return widget


@pytest.fixture
def add_head(tiny_models: Path) -> Callable[..., Any]:
    """A function that adds the toy head, which the tiny model segments perfectly, as a volume node."""
    return add_toy_head


def add_toy_head(host: Any, name: str = "Head") -> Any:
    """The toy head of `Testing/core/tiny.py` as a node of the host's scene."""
    from Testing.core.tiny import toy_head

    volume = toy_head()
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.swapaxes(volume.array, 0, 2)))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.affine))
    node.SetAttribute("DICOM.Modality", "CT")
    host.pending()
    return node


@pytest.fixture
def until() -> Callable[..., Any]:
    """A function that lets the event loop run until a condition holds, and returns what it gave."""

    def wait(host: Any, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            said = [label.text for label in (host.widget.ui.messageLabel, host.widget.ui.estimateLabel)]
            assert time.monotonic() < end, f"waited in vain; the panel says {said}"
            host.pending()
            time.sleep(0.005)
        host.pending()
        return value

    return wait


@pytest.fixture
def segmented(host: Any, widget: Any, add_head: Callable[..., Any], until: Callable[..., Any]) -> Any:
    """The widget after a first run on the toy head."""
    add_head(host)
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    return widget

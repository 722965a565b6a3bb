"""MedVLPTrain's panel in the wiring host, in an empty scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module in an empty scene, with a folder of jobs of its own. No slot may have raised by the end."""
    from Testing.wiring.host.application import running
    from Testing.wiring.host.pythonqt import slot_errors

    monkeypatch.setenv("MEDVLP_JOBS", str(tmp_path / "Aufträge"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with running(tmp_path, None, "MedVLPTrain") as made:
        made.open()
        made.pending()
        yield made
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


@pytest.fixture
def ui(host: Any) -> Any:
    return host.widget.ui

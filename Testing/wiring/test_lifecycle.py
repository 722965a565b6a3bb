"""Opening, reloading and quitting: what starts, what ends, what is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[..., Any]
ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "monai", "transformers", "SimpleITK", "scipy", "nibabel", "pydicom")


def test_opening_imports_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from Testing.wiring.host.application import running
with running(Path({str(tmp_path)!r})) as host:
    host._load()
    host.new_panel()
    print(sorted(name for name in {HEAVY!r} if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_making_the_panel_starts_nothing_and_entering_wakes_the_worker(plain_host: Any, until: Make) -> None:
    plain_host._load()
    plain_host.new_panel()
    widget = plain_host.widget
    assert not widget.logic.worker.running
    plain_host.enter()
    assert widget.logic.worker.running
    until(plain_host, lambda: any("card" in model for model in widget.panel.models.models))  # the worker's own list


def test_a_killed_worker_is_one_sentence_and_one_that_is_not_kept_warm_ends_after_the_run(
    plain_host: Any, add_head: Make, until: Make
) -> None:
    plain_host._load()
    plain_host.new_panel()
    widget = plain_host.widget
    widget.panel.parameters.keepWarm = False
    widget.panel.parameters.model = "ct-tiny"
    plain_host.enter()
    add_head(plain_host)
    assert not widget.logic.worker.running
    widget.ui.segmentButton.click()
    widget.logic.worker._uploads.process.kill()
    until(plain_host, lambda: not widget.panel.runBar.busy)
    assert widget.ui.messageLabel.text
    assert "Traceback" not in widget.ui.messageLabel.text
    assert widget.ui.segmentButton.enabled
    widget.ui.segmentButton.click()
    assert widget.logic.worker.running
    until(plain_host, lambda: not widget.panel.runBar.busy and not widget.logic.worker.running)
    assert widget.panel.parameters.result is not None
    assert not widget.panel.timer.running


def test_reload_ends_the_worker_and_brings_new_code(plain_host: Any, until: Make) -> None:
    widget = plain_host.open()
    worker, old = widget.logic.worker, sys.modules["MedVLPSegmentLib.SegmentPanel"]
    assert worker.running
    widget.onReload()
    plain_host.pending()
    assert not worker.running
    new = plain_host.widget
    assert new is not widget
    assert sys.modules["MedVLPSegmentLib.SegmentPanel"] is not old
    assert widget.panel is None
    assert widget.Observations == []
    assert new.logic.worker.running


def test_quitting_ends_the_worker(plain_host: Any, add_head: Make) -> None:
    widget = plain_host.open()
    add_head(plain_host)
    worker = widget.logic.worker
    widget.ui.segmentButton.click()
    plain_host.quit()
    assert not worker.running
    plain_host.quit()  # Slicer says it twice: about to quit, and unloading


def test_stopping_the_worker_fails_nothing(plain_host: Any) -> None:
    widget = plain_host.open()
    widget.ui.restartButton.click()
    plain_host.pending()
    assert not widget.logic.worker.running
    assert "The worker was stopped." in widget.ui.logEdit.plainText


def test_missing_packages_are_named_with_their_size(host: Any, monkeypatch: Any, add_head: Make) -> None:
    widget = host.open()
    from MedVLPLib import Dependencies

    monkeypatch.setattr(Dependencies, "TORCH", "torch>=999")
    add_head(host)
    host.leave()
    host.enter()
    host.pending()
    assert widget.ui.dependencyFrame.isVisibleTo(widget.ui.dependencyFrame.parentWidget())
    assert "PyTorch" in widget.ui.dependencyLabel.text
    assert "MB)" in widget.ui.installButton.text
    assert not widget.ui.segmentButton.enabled
    assert widget.ui.segmentButton.toolTip.startswith("Install what is missing first")
    widget.ui.installButton.click()  # in a test run nothing is ever installed
    assert widget.ui.dependencyFrame.isVisibleTo(widget.ui.dependencyFrame.parentWidget())


def test_the_modules_self_test_passes_here_too(plain_host: Any) -> None:
    plain_host.open()
    sys.modules["MedVLPSegment"].MedVLPSegmentTest().runTest()  # type: ignore[attr-defined]
    assert plain_host.messages == []

"""Ctrl-C at bad moments: one sentence, and nothing half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import pytest

from Testing.core.cli.conftest import Run
from Testing.core.tiny import write_tiny_bundle

ROOT = Path(__file__).parents[3]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background makes them ignore Ctrl-C, and their children too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("moment", ["network", "write"])
def test_ctrl_c_at_a_bad_moment(
    moment: str, vlp3d: Run, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal itself, in the middle of the network's work and with half a file on the disk."""
    from vlp3d_core.predict.decide import Decider

    def stop(*args: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    def half(image: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        signal.raise_signal(signal.SIGINT)

    if moment == "write":
        monkeypatch.setattr(nib, "save", half)
    else:
        monkeypatch.setattr(Decider, "add", stop)
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "vlp3d: Cancelled. Nothing was written."
    assert "Traceback" not in done.err
    assert list(out.iterdir()) == []


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_in_the_terminal(tmp_path: Path, scan: Path, out: Path) -> None:
    """A real process, stopped as soon as it has said how long it will take (seconds, at 1 mm)."""
    slow = write_tiny_bundle(tmp_path / "slow", spacing=[1.0, 1.0, 1.0]).folder
    command = [sys.executable, "-m", "vlp3d_core.cli.main", "segment", scan, "-o", out / "o.nii.gz", "--model", slow]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("vlp3d: note: about")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 1
    assert rest == "vlp3d: Cancelled. Nothing was written.\n"
    assert list(out.iterdir()) == []

"""What the tests of the commands share: a scan on disk, a model that is found by name, and a way to run `vlp3d`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vlp3d_core.cli.main import main
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


def refused(done: Outcome, code: int, said: str, out: Path) -> None:
    """One line that starts as every error does, the exit code, and nothing in the output folder."""
    assert done.code == code, done.err
    assert done.err.startswith("vlp3d: error: ")
    assert done.err.count("\n") == 1
    assert "Unexpected" not in done.err
    assert "Traceback" not in done.err
    assert said in done.err
    assert done.out == ""
    assert list(out.iterdir()) == []


@pytest.fixture
def vlp3d(capsys: pytest.CaptureFixture[str], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `vlp3d` with arguments, in this process; the model "ct-tiny" is known by name and nothing else is."""
    monkeypatch.setenv("MEDVLP_MODELS", str(tiny_bundle.parent))
    # `main` quiets other libraries for the rest of the process; the other tests want their warnings.
    monkeypatch.setattr("vlp3d_core.cli.main.quiet_libraries", lambda: None)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run


@pytest.fixture
def scan(tmp_path: Path, toy_head: Volume) -> Path:
    """The toy head as a file."""
    path = tmp_path / "in" / "head.nii.gz"
    path.parent.mkdir()
    write_volume(toy_head, path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder

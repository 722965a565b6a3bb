"""What needs the packages of an extra says so at once, and not after hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run, refused
from vlp3d_core.cli import training

Lack = Callable[..., None]


@pytest.fixture
def lack(monkeypatch: pytest.MonkeyPatch) -> Lack:
    """Makes packages look as if they were not installed."""
    return lambda *names: monkeypatch.setattr(training, "find_spec", lambda n: None if n in names else object())


@pytest.mark.parametrize(("name", "package"), [("lightning", "lightning"), ("sklearn", "scikit-learn")])
@pytest.mark.parametrize("command", [("finetune", "ct-head-neck"), ("pretrain", "gtgm")])
def test_training(command: tuple[str, str], name: str, package: str, vlp3d: Run, out: Path, lack: Lack) -> None:
    lack(name)
    done = vlp3d(*command, "--manifest", out / "none.jsonl", "--out", out / "run")
    refused(done, 1, f"Training needs {package}, which is not installed", out)
    assert 'pip install "vlp3d-core[train]"' in done.err


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("classification", "--model"),
        ("instances", "--model"),
        ("retrieval", "--checkpoint"),
        ("regions", "--checkpoint"),
        ("zero-shot", "--checkpoint"),
    ],
)
def test_scoring_what_was_trained(kind: str, model: str, vlp3d: Run, out: Path, lack: Lack) -> None:
    """Before the run or the manifest is read; neither is there."""
    lack("sklearn", "skimage")
    done = vlp3d("evaluate", kind, model, out / "run", "--manifest", out / "none.jsonl")
    refused(done, 1, "This evaluation needs scikit-image, scikit-learn, which are not installed", out)


def test_a_segmentation_is_scored_without(vlp3d: Run, out: Path, lack: Lack) -> None:
    lack(*training.NEEDED)
    done = vlp3d("evaluate", "segmentation", "--predictions", out, "--manifest", out / "none.jsonl")
    refused(done, 1, "none.jsonl", out)
    assert "pip" not in done.err


@pytest.mark.parametrize("name", training.NEEDED)
def test_the_names_are_those_that_are_imported(name: str) -> None:
    assert pytest.importorskip(name)

"""A run that was stopped or killed goes on as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.trainer import LAST

Settings = Callable[..., FinetuneConfig]
WEIGHTS = Path("bundle", "weights.safetensors")


@contextmanager
def recorded() -> Iterator[dict[int, float]]:
    """The loss of each training step that is run inside, by step."""
    losses: dict[int, float] = {}
    original = TextQueriedSegmentation.training_step

    def step(self: TextQueriedSegmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        loss = original(self, batch, index)
        losses[self.global_step] = loss.item()
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextQueriedSegmentation, "training_step", step)
        yield losses


@pytest.fixture(scope="module")
def unbroken(manifest: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Losses by step and run folder of eight steps at a stretch."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    with recorded() as losses:
        finetune(settings(), manifest, out)
    assert sorted(losses) == list(range(8))
    return losses, out


def crash_after(step: int, of: int = 8) -> Callable[[str, float], None]:
    def progress(stage: str, fraction: float) -> None:
        if stage.startswith("training") and round(fraction * of) == step:
            raise RuntimeError("power cut")

    return progress


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_died_between_checkpoints_repeats_the_same_losses(
    unbroken: tuple[Any, Path], manifest: Path, settings: Settings, tmp_path: Path, workers: int
) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        finetune(settings(workers=workers), manifest, tmp_path / "run", progress=crash_after(7))
    half = (tmp_path / "run" / LAST).with_name(".vlp3d-abc.ckpt")
    half.write_bytes(b"what a kill leaves in the middle of a checkpoint")
    with recorded() as losses:
        finetune(settings(workers=workers), manifest, tmp_path / "run", resume=True)
    assert not half.exists()
    assert sorted(losses) == [6, 7], "the last checkpoint was written after six steps"
    assert losses == pytest.approx({step: unbroken[0][step] for step in losses}, abs=1e-6)
    assert same_weights(tmp_path / "run", unbroken[1])


def test_a_run_that_was_stopped_goes_on_where_it_was(
    unbroken: tuple[Any, Path], manifest: Path, settings: Settings, tmp_path: Path
) -> None:
    with recorded() as losses:
        with pytest.raises(Stopped, match=r"after step 3 is saved; .*--resume"):
            finetune(settings(), manifest, tmp_path, cancel=lambda: len(losses) == 3)
        finetune(settings(), manifest, tmp_path, resume=True)
    assert losses == pytest.approx(unbroken[0], abs=1e-6)
    assert sorted(losses) == list(range(8))
    assert same_weights(tmp_path, unbroken[1])


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_between_two_steps(
    unbroken: tuple[Any, Path], manifest: Path, settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    def progress(stage: str, fraction: float) -> None:
        if stage.startswith("training") and fraction == 5 / 8:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Stopped, match="after step 5"):
        finetune(settings(), manifest, tmp_path, progress=progress)
    assert signal.getsignal(number) == before
    with recorded() as losses:
        finetune(settings(), manifest, tmp_path, resume=True)
    assert losses == pytest.approx({step: unbroken[0][step] for step in (5, 6, 7)}, abs=1e-6)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_to_every_process_of_a_job(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    """As a cluster sends it; the processes that load data have to live until the main one has saved."""
    told = list[int]()

    def progress(stage: str, fraction: float) -> None:
        if stage.startswith("training") and fraction == 5 / 8:
            told.extend(child.pid for child in multiprocessing.active_children() if child.pid)
            for process in (*told, os.getpid()):
                os.kill(process, signal.SIGTERM)
            time.sleep(0.5)  # a step takes a while, and a lost process would be missed in it

    with pytest.raises(Stopped, match="after step 5 is saved"):
        finetune(settings(workers=1), manifest, tmp_path, progress=progress)
    assert told and not multiprocessing.active_children()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_during_a_validation_waits_for_the_next_step(
    unbroken: tuple[Any, Path], manifest: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, sent = TextQueriedSegmentation.validation_step, []

    def step(self: TextQueriedSegmentation, batch: dict[str, Any], index: int) -> None:
        if not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))
        original(self, batch, index)

    monkeypatch.setattr(TextQueriedSegmentation, "validation_step", step)
    with pytest.raises(Stopped, match="after step 3"):
        finetune(settings(), manifest, tmp_path)
    finetune(settings(), manifest, tmp_path, resume=True)
    assert same_weights(tmp_path, unbroken[1])


@pytest.mark.parametrize("stop", ["killed", "asked"])
def test_accumulated_batches_are_resumed_between_steps(
    manifest: Path, settings: Settings, tmp_path: Path, stop: str
) -> None:
    """Three batches a step; the run is left after the second batch of a step, and begins that step anew."""
    config = settings(accumulate=3, batch=1, checkpoint_minutes=1e-9)
    with batches() as unbroken:
        finetune(config, manifest, tmp_path / "unbroken")
    assert len(unbroken) == 24 and len({round(loss, 6) for loss in unbroken.values()}) > 20
    with batches() as losses:

        def progress(stage: str, fraction: float) -> None:
            if stop == "killed" and len(losses) == 17:
                raise RuntimeError("power cut")

        def cancel() -> bool:
            return stop == "asked" and len(losses) >= 17

        with pytest.raises((RuntimeError, Stopped), match=r"power cut|after step 6 is saved"):
            finetune(config, manifest, tmp_path / "run", progress=progress, cancel=cancel)
        before = len(losses)
        losses.clear()
        finetune(config, manifest, tmp_path / "run", resume=True)
    first = (5, 0) if stop == "killed" else (6, 0)
    assert min(losses) == first and before == (17 if stop == "killed" else 18)
    assert losses == pytest.approx({batch: unbroken[batch] for batch in losses}, abs=1e-6)
    assert same_weights(tmp_path / "run", tmp_path / "unbroken")


@contextmanager
def batches() -> Iterator[dict[tuple[int, int], float]]:
    """The loss of each batch, by step and place in the step."""
    losses: dict[tuple[int, int], float] = {}
    original = TextQueriedSegmentation.training_step

    def step(self: TextQueriedSegmentation, batch: dict[str, Any], index: int) -> torch.Tensor:
        loss = original(self, batch, index)
        losses[self.global_step, index % self.config.accumulate] = loss.item()
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextQueriedSegmentation, "training_step", step)
        yield losses


def test_a_finished_run_can_be_resumed_to_nothing(
    unbroken: tuple[Any, Path], manifest: Path, settings: Settings
) -> None:
    before = load_file(unbroken[1] / WEIGHTS)
    with recorded() as losses:
        finetune(settings(), manifest, unbroken[1], resume=True)
    assert losses == {}
    assert all(torch.equal(value, before[name]) for name, value in load_file(unbroken[1] / WEIGHTS).items())


def test_the_metrics_of_all_parts_are_kept(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        finetune(settings(), manifest, tmp_path, progress=crash_after(5))
    finetune(settings(), manifest, tmp_path, resume=True)
    rows = (tmp_path / "csv" / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("step")
    steps = {int(row.split(",")[column]) for row in rows[1:]}
    assert {1, 3, 5, 7} <= steps


def test_nothing_to_resume(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="no checkpoint to resume"):
        finetune(settings(), manifest, tmp_path, resume=True)


def test_other_settings_are_named(unbroken: tuple[Any, Path], manifest: Path, settings: Settings) -> None:
    with pytest.raises(MedVLPError, match="other settings: batch, dimension"):
        finetune(settings(dimension=5, batch=3, workers=1), manifest, unbroken[1], resume=True)


def test_a_run_is_not_overwritten(unbroken: tuple[Any, Path], manifest: Path, settings: Settings) -> None:
    before = (unbroken[1] / LAST).read_bytes()
    with pytest.raises(MedVLPError, match="already holds a run"):
        finetune(settings(), manifest, unbroken[1])
    assert (unbroken[1] / LAST).read_bytes() == before


def test_a_damaged_checkpoint_is_one_sentence(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / LAST).parent.mkdir()
    (tmp_path / LAST).write_bytes(b"not a checkpoint")
    with pytest.raises(MedVLPError, match=r"last\.ckpt cannot be read"):
        finetune(settings(), manifest, tmp_path, resume=True)

"""What the Trainer of a run is made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.devices import Device
from vlp3d_core.train import run_folder, trainer
from vlp3d_core.train.checkpoints import LAST
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.processes import RANKS, environment_for, leads, strategy_for
from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.trainer import precision_for

Settings = Callable[..., FinetuneConfig]
PLAIN = RunSettings(spacing=(1.0, 1.0, 1.0), normalisation={}, modality="CT")


@pytest.mark.parametrize(("dtype", "expected"), [(torch.bfloat16, "bf16-mixed"), (torch.float32, "32-true")])
def test_auto_precision_is_the_device_s_own(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, expected: str) -> None:
    """A CPU without AMX or AVX512-BF16 emulates bfloat16: one step took minutes there."""
    monkeypatch.setattr(trainer, "choose_device", lambda: Device("cpu", dtype))
    assert precision_for("auto") == expected
    assert precision_for("16-mixed") == "16-mixed", "what the recipe says counts"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accumulate": 0}, "accumulate must be above 0"),
        ({"clip_norm": -1.0}, "clip_norm must not be negative"),
        ({"checkpoint_minutes": -1.0}, "checkpoint_minutes must not be negative"),
        ({"devices": 0}, "devices must be above 0"),
        ({"strategy": "tpu"}, "strategy must be one of auto, ddp, fsdp"),
        ({"strategy": "fsdp"}, "fsdp for more than one process only"),
        ({"strategy": "fsdp", "devices": 2, "ema": 0.9}, "ema must be 0 with the strategy fsdp"),
        ({"strategy": "fsdp", "devices": 2}, "clip_norm must be 0 with the strategy fsdp"),
    ],
)
def test_settings_that_do_not_go_together(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(PLAIN, **change)


def test_fsdp_needs_cuda_and_pretraining(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    from vlp3d_core.train import processes

    monkeypatch.setattr(processes, "choose_device", lambda: Device("cpu", torch.float32))
    with pytest.raises(MedVLPError, match="fsdp needs CUDA"):
        strategy_for(replace(PLAIN, strategy="fsdp", devices=2, clip_norm=0.0))
    monkeypatch.setattr(processes, "choose_device", lambda: Device("mps", torch.float32))
    with pytest.raises(MedVLPError, match="devices is 2, and this computer has 1"):
        strategy_for(replace(PLAIN, devices=2))
    with pytest.raises(UsageError, match="fsdp in pretraining only"):
        settings(strategy="fsdp", devices=2, clip_norm=0.0, ema=0.0)


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_gradients_are_clipped_to_the_norm(manifest: Path, settings: Settings, tmp_path: Path, clip: float) -> None:
    norms = []

    class Norms(Callback):
        def on_before_zero_grad(self, trainer: Any, module: Any, optimizer: Any) -> None:
            gradients = [p.grad for p in module.parameters() if p.grad is not None]
            norms.extend([torch.nn.utils.get_total_norm(gradients).item()] if gradients else [])

    with pytest.MonkeyPatch.context() as patch:
        made = run_folder.make_trainer
        patch.setattr(
            run_folder,
            "make_trainer",
            lambda run, out, extras, *rest: made(run, out, replace(extras, last=(*extras.last, Norms())), *rest),
        )
        finetune(settings(clip_norm=clip, steps=2, checkpoint_minutes=0), manifest, tmp_path)
    assert norms and (max(norms) <= clip * 1.01) == (clip > 0)


def test_checkpoints_by_the_clock(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    """Every moment is a checkpoint's; the first validation would be after five steps."""
    seen = []

    def progress(stage: str, fraction: float) -> None:
        if stage == "training" and (tmp_path / LAST).exists():
            seen.append(torch.load(tmp_path / LAST, weights_only=True)["global_step"])

    finetune(settings(steps=5, validate_every=5, checkpoint_minutes=1e-9), manifest, tmp_path, progress=progress)
    assert seen == [1, 2, 3, 4], "the progress is told before the checkpoint is written"


def test_each_process_takes_its_share_of_a_step() -> None:
    """What two processes with a batch of 2 see together is what one with a batch of 4 sees, also after a resume."""
    single = replace(PLAIN, batch=4, steps=3, accumulate=2)
    double = replace(single, batch=2, devices=2)
    for step in (0, 2):
        (one,), two = ([batches(run, rank, step) for rank in range(run.processes)] for run in (single, double))
        assert [sorted(a + b) for a, b in zip(*two, strict=True)] == one
        assert one[0][0] == step * 8 and len(one) == 6


def batches(run: RunSettings, rank: int, step: int) -> list[list[int]]:
    loaders = Loaders(run, range(1000), range(0))  # type: ignore[arg-type]
    trainer: Any = SimpleNamespace(global_step=step, global_rank=rank, world_size=run.processes)
    loaders.trainer = trainer
    return [batch.tolist() for batch in loaders.train_dataloader()]  # type: ignore[attr-defined]


SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_NTASKS_PER_NODE": "2"}


@pytest.mark.parametrize(
    ("devices", "environment", "kind", "first"),
    [
        (1, SLURM | {"SLURM_STEP_ID": "0"}, "LightningEnvironment", True),  # one of many runs side by side
        (2, SLURM | {"SLURM_STEP_ID": "0"}, "SLURMEnvironment", False),
        (2, SLURM | {"SLURM_PROCID": "0"}, "LightningEnvironment", True),  # a batch script without srun
        (2, {"LOCAL_RANK": "1"}, "NoneType", False),
        (2, {}, "NoneType", True),
    ],
)
def test_who_starts_the_processes_and_who_leads(
    monkeypatch: pytest.MonkeyPatch, devices: int, environment: dict[str, str], kind: str, first: bool
) -> None:
    for name in (*RANKS, "SLURM_NTASKS", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = replace(PLAIN, devices=devices)
    found = environment_for(run)
    assert type(found).__name__ == kind and leads(run) == first
    assert not getattr(found, "auto_requeue", False)


def test_tasks_that_slurm_may_put_anywhere_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    with pytest.raises(MedVLPError, match="--ntasks-per-node"):
        environment_for(replace(PLAIN, devices=2))

"""Several processes that train together: who starts them, how they share the work, who of them writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, Strategy

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.devices import choose_device
from vlp3d_core.train.checkpoints import WholeCheckpoints
from vlp3d_core.train.settings import RunSettings

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def strategy_for(run: RunSettings) -> Strategy | str:
    """How the processes share the work.

    Raises:
        MedVLPError: more devices than there are, or "fsdp" without CUDA.
    """
    kind = choose_device().kind
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind, run.devices)
    if run.devices > there:
        raise MedVLPError(
            f"The setting devices is {run.devices}, and this computer has {there}.", f"Set devices={there}."
        )
    if run.processes == 1:
        return "auto"
    if run.strategy == "fsdp":
        if kind != "cuda":
            raise MedVLPError("The strategy fsdp needs CUDA devices, and there are none.", "Use strategy=ddp.")
        return CheckedFSDP(state_dict_type="full")
    # Not every method uses every weight at every step: the finest map of an encoder serves decoders only.
    return DDPStrategy(find_unused_parameters=True)


class CheckedFSDP(FSDPStrategy):
    """FSDP; its own way of reading a checkpoint could run code, so the file is read by the safe way first.

    Not tried: no machine with two GPUs was at hand.
    """

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        WholeCheckpoints().load_checkpoint(checkpoint_path, map_location="cpu", weights_only=True)
        loaded: dict[str, Any] = super().load_checkpoint(checkpoint_path, weights_only)
        return loaded


def environment_for(run: RunSettings) -> ClusterEnvironment | None:
    """Who has started the processes; None lets Lightning find out.

    Lightning's own requeueing stays off: it saves in the middle of a step, see `train.slurm`.

    Raises:
        MedVLPError: a SLURM job that cannot be used.
    """
    if run.processes == 1:
        return LightningEnvironment()  # alone, even as one of many tasks of a SLURM job
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if "SLURM_STEP_ID" in os.environ and os.environ.get("SLURM_NTASKS") == str(run.processes):
        try:
            return SLURMEnvironment(auto_requeue=False)
        except RuntimeError as error:  # Lightning's own check of the job's options
            raise MedVLPError(" ".join(str(error).split()), "Change the batch script.") from error
    return LightningEnvironment() if SLURMEnvironment.detect() else None  # a batch script without srun


def leads(run: RunSettings) -> bool:
    """Whether this process is the first of the run: only that one writes and speaks."""
    if run.processes == 1:
        return True
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return not any(os.environ.get(name, "0") != "0" for name in RANKS)


def first_then_all(run: RunSettings, write: Callable[[], None]) -> None:
    """The first process writes; the others wait until it has."""
    if leads(run):
        write()
    if run.processes > 1 and dist.is_available() and dist.is_initialized():
        dist.barrier()

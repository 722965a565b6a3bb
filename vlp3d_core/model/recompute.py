"""Activation checkpointing: what a stage computed is forgotten and computed again when its gradient is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_stage(stage: nn.Module, image: Tensor, recompute: bool) -> Tensor:
    """`stage(image)`; with `recompute` nothing but `image` is kept for the gradient, which stays the same."""
    if not (recompute and torch.is_grad_enabled()):
        out: Tensor = stage(image)
        return out

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), still_statistics(stage)

    again: Tensor = checkpoint(stage, image, use_reentrant=False, context_fn=contexts)
    return again


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch normalisation not count a batch in its running statistics: it was counted in the first pass.

    They are updated with momentum 0 and not switched off, because the second pass must keep the same tensors as the
    first one did.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    before = [(m.momentum, m.num_batches_tracked) for m in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count

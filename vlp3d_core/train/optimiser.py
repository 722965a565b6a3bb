"""The optimiser of every run: AdamW, linear warm-up, cosine decay to zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from vlp3d_core.train.settings import RunSettings


def adamw_with_cosine(parameters: Iterable[Parameter], run: RunSettings) -> Any:
    """What Lightning's `configure_optimizers` returns."""
    optimizer = torch.optim.AdamW(parameters, lr=run.learning_rate, weight_decay=run.weight_decay, betas=(0.9, 0.98))

    def factor(step: int) -> float:
        if step < run.warmup:
            return (step + 1) / run.warmup
        done = (step - run.warmup) / max(1, run.steps - run.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

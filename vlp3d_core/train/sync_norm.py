"""Batch normalisation over the batches of all processes: without it two processes train another network than one."""

from __future__ import annotations

import torch
import torch.distributed as dist
from lightning.pytorch.plugins.layer_sync import LayerSync, TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vlp3d_core.model.devices import choose_device
from vlp3d_core.train.losses.gather import gather


class GatheredBatchNorm(_BatchNorm):
    """torch's `SyncBatchNorm` refuses tensors on the CPU (2.13); this one takes them, for gloo.

    Gradients follow the rule of `losses.gather`: each process has that of the joined loss, times the processes.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and dist.is_available() and dist.is_initialized()):
            out: Tensor = super().forward(input)
            return out
        axes = [0, *range(2, input.ndim)]
        shape = [1, -1, *([1] * (input.ndim - 2))]
        x = input.float()
        count = gather(torch.tensor([float(x.numel() // x.shape[1])])).sum()
        mean = gather(x.sum(axes)[None]).sum(0) / count
        centred = x - mean.view(shape)
        variance = gather(centred.square().sum(axes)[None]).sum(0) / count
        self._count_in(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        x = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)

    def _count_in(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:  # the plain mean of all batches
            momentum = 1 / float(self.num_batches_tracked) if self.num_batches_tracked is not None else 0.0
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)


class SyncedNorms(LayerSync):
    """Lightning's plugin for synchronised layers, on CUDA with torch's own kernels."""

    def apply(self, model: nn.Module) -> nn.Module:
        if choose_device().kind == "cuda":
            return TorchSyncBatchNorm().apply(model)
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, _BatchNorm):
                    parent.add_module(name, _as(GatheredBatchNorm, child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Left as they are on the CPU: outside of training they are ordinary ones."""
        return TorchSyncBatchNorm().revert(model)


def _as(kind: type[_BatchNorm], norm: _BatchNorm) -> _BatchNorm:
    """The same parameters and statistics in a module of another kind."""
    new = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new.train(norm.training)

"""Two processes on one computer (gloo, CPU) train as one with the joined batch does."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from lightning.pytorch.callbacks import Callback
from torch import Generator, Tensor, nn

from vlp3d_core.train.gtgm import GTGM
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.losses.gather import same_length
from vlp3d_core.train.losses.sentence_similarity import sentence_similarity
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.pair_module import Batch
from vlp3d_core.train.pairs import PairDataset, Text, join
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.store import Stored
from vlp3d_core.train.sync_norm import GatheredBatchNorm
from vlp3d_core.train.trainer import Extras, make_trainer, quiet
from vlp3d_core.train.views import view

CONFIG = PretrainConfig(
    method="gtgm",
    modality="CT",
    spacing=(1.0, 1.0, 1.0),
    normalisation={},
    encoder_options={"channels": [4, 8]},
    patch=(8, 8, 8),
    batch=8,
    steps=2,
    validate_every=2,
    warmup=1,
    clip_norm=0.0,
    ema=0.5,
    dimension=16,
    temperature=0.5,
    precision="32-true",
)


class SameViews(GTGM):
    """Views by study and not by process, so that one process and two see the same ones."""

    def one_view(self, batch: Batch, generator: Generator) -> Tensor:
        self.drawn = getattr(self, "drawn", 0) + 1
        seeds = [100 * int(subject) + self.drawn for subject in batch["subject"]]
        crops = zip(batch["image"], seeds, strict=True)
        return torch.cat([view(image[None], Generator().manual_seed(seed)) for image, seed in crops])


class Gradients(Callback):
    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def on_before_optimizer_step(self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Any) -> None:
        self.steps.append({k: p.grad.clone() for k, p in module.named_parameters() if p.grad is not None})


def train(config: PretrainConfig, out: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The gradients of the first step, and the weights and statistics after the second."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    empty = np.zeros((9, 9, 9), np.uint8)
    images = rng.uniform(-1, 1, (16, 9, 9, 9)).astype(np.float16)
    cases = [Case(Path(f"{n}"), f"{n}", "train") for n in range(16)]
    stored = [Stored(case, image, empty, np.zeros(0, bool)) for case, image in zip(cases, images, strict=True)]
    texts = [Text(rng.normal(size=(1 + n % 3, 5)).astype(np.float32)) for n in range(16)]
    items = PairDataset(stored, texts, config.patch, config.seed)
    module, gradients = SameViews(config, 5), Gradients()
    loaders = Loaders(config, items, PairDataset(stored[:4], texts[:4], config.patch, None), 4, join)
    make_trainer(config, out, Extras(last=(gradients,))).fit(module, datamodule=loaders)
    return gradients.steps[0], module.state_dict()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two processes found, by rank."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(one_of_two, args=(str(folder), port), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def one_of_two(rank: int, folder: str, port: int) -> None:
    torch.set_num_threads(1)
    quiet()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    config = replace(CONFIG, batch=CONFIG.batch // 2, devices=2)
    found: dict[str, Any] = dict(zip(("gradients", "weights"), train(config, Path(folder)), strict=True))
    part = slice(4 * rank, 4 * rank + 4)
    norm = GatheredBatchNorm(3)
    norm(values()[part])
    found["statistics"] = norm.state_dict()
    features, sentences, mask = ragged()
    length = 3 + rank  # the other process has longer reports
    found["similarity"] = sentence_similarity(features[part, :length], sentences[part, :length], mask[part, :length])
    found["length"] = torch.tensor(same_length(mask[part, :length]).shape[1])
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def values() -> Tensor:
    return torch.randn(8, 3, generator=Generator().manual_seed(4)) * 3 + 7


def ragged() -> tuple[Tensor, Tensor, Tensor]:
    """(8, 4, …); the first half has three sentences at most."""
    features, sentences = torch.randn(2, 8, 4, 6, generator=Generator().manual_seed(5))
    mask = torch.ones(8, 4)
    mask[:4, 3] = 0
    return features, sentences, mask


def test_gradients_are_those_of_the_joined_batch(two: list[dict[str, Any]], tmp_path: Path) -> None:
    expected, weights = train(CONFIG, tmp_path)
    half, other_weights = train(replace(CONFIG, batch=4), tmp_path / "half")
    for found in two:
        assert found["gradients"].keys() == expected.keys() and len(expected) > 15
        assert distance(found["gradients"], expected) < 1e-5
        for name, value in expected.items():  # a weight before a normalisation may have no gradient but rounding
            assert (found["gradients"][name] - value).norm() < 1e-5 * max(1.0, value.norm()), name
        # Two steps and their averaging, with the statistics. Adam makes steps of rounding errors, too.
        assert distance(found["weights"], weights) < 0.2 * distance(other_weights, weights)
    assert distance(half, expected) > 0.1, "half a batch is another loss"


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Relative, of everything together."""
    a, b = (torch.cat([v.float().flatten() for v in d.values()]).double() for d in (one, {k: other[k] for k in one}))
    return float((a - b).norm() / b.norm())


def test_statistics_are_those_of_the_joined_batch(two: list[dict[str, Any]]) -> None:
    norm = nn.BatchNorm1d(3)
    norm(values())
    for name, value in norm.state_dict().items():
        for found in two:
            assert torch.allclose(found["statistics"][name], value, rtol=1e-6), name


def test_reports_of_different_lengths_are_joined(two: list[dict[str, Any]]) -> None:
    expected = sentence_similarity(*ragged())
    assert expected > 0.1
    for found in two:
        assert found["length"] == 4 and found["similarity"].item() == pytest.approx(expected.item(), rel=1e-6)

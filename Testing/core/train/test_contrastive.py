"""Contrastive losses: tiny cases by hand, a float64 reference, joined processes, and what they can and cannot learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

from vlp3d_core.train.losses import info_nce as info_nce_file
from vlp3d_core.train.losses import siglip as siglip_file
from vlp3d_core.train.losses.barlow_twins import barlow_twins
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.losses.siglip import SigLIP
from vlp3d_core.train.pairs import derangement
from vlp3d_core.train.spread import effective_rank


def reference_info_nce(a: np.ndarray, b: np.ndarray, temperature: float) -> float:
    """In float64, by loops."""
    a, b = (x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (a, b))
    total = 0.0
    for x, y in ((a, b), (b, a)):
        for i in range(len(x)):
            logits = [float(x[i] @ y[j]) / temperature for j in range(len(y))]
            total += math.log(sum(math.exp(v) for v in logits)) - logits[i]
    return total / (2 * len(a))


def reference_barlow(a: np.ndarray, b: np.ndarray, weight: float, standardise: bool) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if standardise:
        a, b = ((x - x.mean(0)) / x.std(0) for x in (a, b))
    c = a.T @ b / len(a)
    off = sum(c[i, j] ** 2 for i in range(len(c)) for j in range(len(c)) if i != j)
    return 0.5 * (((np.diag(c) - 1) ** 2).sum() + weight * off)


def test_info_nce_by_hand() -> None:
    """Two orthogonal pairs at temperature 1: each row's logits are 1 and 0."""
    eye = torch.eye(2)
    assert info_nce(eye, 3 * eye, 1.0).item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert info_nce(torch.ones(8, 3), torch.ones(8, 3)).item() == pytest.approx(math.log(8)), "nothing is told apart"


def test_siglip_by_hand() -> None:
    """Two orthogonal pairs: right ones have the logit 10 − 10, wrong ones 0 − 10."""
    expected = (2 * math.log(2) + 2 * math.log(1 + math.exp(-10))) / 2
    assert SigLIP()(torch.eye(2), 3 * torch.eye(2)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [info_nce, SigLIP()])
def test_chunks_change_neither_loss_nor_gradient(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.randn(2, 23, 6, generator=torch.Generator().manual_seed(3))

    def computed(chunk: int) -> tuple[Tensor, Tensor]:
        for file in (info_nce_file, siglip_file):
            monkeypatch.setattr(file, "CHUNK", chunk)
        one = a.clone().requires_grad_()
        value = loss(one, b)
        value.backward()
        assert one.grad is not None
        return value.detach(), one.grad

    for whole, part in zip(computed(100), computed(5), strict=True):
        assert torch.allclose(whole, part, atol=1e-6)


def reference_siglip(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (a, b))
    signed = [(1 if i == j else -1) * (10 * float(a[i] @ b[j]) - 10) for i in range(len(a)) for j in range(len(b))]
    return sum(math.log1p(math.exp(-x)) for x in signed) / len(a)


def test_barlow_by_hand() -> None:
    z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    assert barlow_twins(z, z).item() == pytest.approx(0.0, abs=1e-6)
    assert barlow_twins(z, -z).item() == pytest.approx(0.5 * 2 * 4)
    same = z[:, :1].repeat(1, 2)  # both dimensions say the same
    assert barlow_twins(same, same, off_diagonal=0.5).item() == pytest.approx(0.5 * 0.5 * 2)


@pytest.mark.parametrize("seed", range(4))
def test_float64_references(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 9, 5)).astype(np.float32)
    one, other = torch.from_numpy(a), torch.from_numpy(b)
    assert info_nce(one, other, 0.1).item() == pytest.approx(reference_info_nce(a, b, 0.1), rel=1e-5)
    assert SigLIP()(one, other).item() == pytest.approx(reference_siglip(a, b), rel=1e-5)
    for standardise in (True, False):
        expected = reference_barlow(a, b, 0.0051, standardise)
        assert barlow_twins(one, other, standardise=standardise).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["info-nce", "siglip"])
def test_a_solvable_toy_is_learned_and_its_shuffle_is_not(kind: str) -> None:
    """Two views of hidden causes: on new pairs the loss falls; with pairs shuffled anew at each step it cannot."""
    learned, shuffled = (toy(kind, shuffle) for shuffle in (False, True))
    assert learned < 0.3 * math.log(16)
    assert shuffled > 0.9 * math.log(16)


def toy(kind: str, shuffle: bool) -> float:
    """InfoNCE of new pairs after training by a loss, which tells how well pairs are told apart, whatever the loss."""
    torch.manual_seed(0)
    mix = torch.randn(2, 6, 12)
    towers = nn.ModuleList([nn.Linear(12, 8), nn.Linear(12, 8)])
    sigmoid = SigLIP()
    optimiser = torch.optim.Adam([*towers.parameters(), *sigmoid.parameters()], lr=0.02)

    def views(permute: bool) -> tuple[Tensor, Tensor]:
        causes = torch.randn(16, 6)
        order = torch.randperm(16) if permute else torch.arange(16)
        return towers[0](causes @ mix[0]), towers[1](causes[order] @ mix[1])

    for _ in range(200):
        loss = info_nce(*views(shuffle), 0.1) if kind == "info-nce" else sigmoid(*views(shuffle))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return float(torch.stack([info_nce(*views(shuffle), 0.1) for _ in range(20)]).mean())


def test_two_processes_make_the_gradient_of_the_joined_batch(tmp_path: Path) -> None:
    expected = gradient(*rows(0, 8))
    mp.spawn(one_of_two, args=(str(tmp_path),), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert torch.allclose((parts[0] + parts[1]) / 2, expected, atol=1e-6)
    assert not torch.allclose(gradient(*rows(0, 4)), expected, atol=1e-3), "half a batch is another loss"


def rows(first: int, last: int) -> tuple[Tensor, Tensor]:
    both = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(1))
    return both[0, first:last], both[1, first:last]


def gradient(a: Tensor, b: Tensor) -> Tensor:
    """Of both losses, with respect to one weight matrix that both views pass through."""
    weight = torch.randn(5, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    (info_nce(a @ weight, b @ weight) + barlow_twins(a @ weight, b @ weight)).backward()
    assert weight.grad is not None
    return weight.grad


def one_of_two(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(gradient(*rows(4 * rank, 4 * rank + 4)), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_a_derangement_leaves_nothing_in_place(count: int) -> None:
    order = derangement(count, 5)
    assert sorted(order.tolist()) == list(range(count)) and not (order == np.arange(count)).any()


def test_effective_rank() -> None:
    torch.manual_seed(0)
    assert effective_rank(torch.ones(10, 4)).item() == pytest.approx(1, abs=0.01), "collapsed"
    line = torch.randn(50, 1) * torch.randn(1, 8)
    assert effective_rank(line).item() == pytest.approx(1, abs=0.01)
    assert effective_rank(torch.randn(500, 8)).item() > 7.5

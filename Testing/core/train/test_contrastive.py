"""Contrastive losses: tiny cases by hand, a float64 reference, joined processes, and what they can and cannot learn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

from vlp3d_core.train.losses.barlow_twins import barlow_twins
from vlp3d_core.train.losses.info_nce import info_nce
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
    for standardise in (True, False):
        expected = reference_barlow(a, b, 0.0051, standardise)
        assert barlow_twins(one, other, standardise=standardise).item() == pytest.approx(expected, rel=1e-5)


def test_a_solvable_toy_is_learned_and_its_shuffle_is_not() -> None:
    """Two views of hidden causes: on new pairs the loss falls; with pairs shuffled anew at each step it cannot."""
    learned, shuffled = (toy(shuffle) for shuffle in (False, True))
    assert learned < 0.3 * math.log(16)
    assert shuffled > 0.9 * math.log(16)


def toy(shuffle: bool) -> float:
    torch.manual_seed(0)
    mix = torch.randn(2, 6, 12)
    towers = nn.ModuleList([nn.Linear(12, 8), nn.Linear(12, 8)])
    optimiser = torch.optim.Adam(towers.parameters(), lr=0.02)

    def views(permute: bool) -> tuple[Tensor, Tensor]:
        causes = torch.randn(16, 6)
        order = torch.randperm(16) if permute else torch.arange(16)
        return towers[0](causes @ mix[0]), towers[1](causes[order] @ mix[1])

    for _ in range(200):
        loss = info_nce(*views(shuffle), 0.1)
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

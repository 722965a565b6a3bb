"""Decisions equal the plain argmax over all scores, in memory that does not grow with the structures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from torch.utils._python_dispatch import TorchDispatchMode

from Testing.core.tiny import toy_grid, toy_head
from vlp3d_core.predict import LoadedModel, decide
from vlp3d_core.predict.decide import UNSEEN, Decider

WHOLE = (slice(None),) * 3


def plain(embeddings: torch.Tensor, queries: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    scores = torch.einsum("kd,dijl->kijl", queries[:, :-1], embeddings.float()) + queries[:, -1].reshape(-1, 1, 1, 1)
    top, best = scores.max(dim=0)  # not of the probabilities: those of two high scores can both round to 1
    return torch.where(top > 0, best + 1, 0).numpy(), top.sigmoid().numpy()


def decided(seed: int, structures: int, chunk: int) -> tuple[torch.Tensor, torch.Tensor, Decider]:
    """Random embeddings (4, 5, 6, 7), queries, and what is decided of them so many scores at a time."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(4, 5, 6, 7, generator=generator)
    queries = torch.randn(structures, 5, generator=generator) * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "CHUNK_CPU", chunk)
        decider = Decider(queries, (5, 6, 7), finer=True)
        decider.add(embeddings, WHOLE)
    return embeddings, queries, decider


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), structures=st.integers(1, 12), chunk=st.sampled_from([50, 1 << 19]))
def test_same_as_argmax(seed: int, structures: int, chunk: int) -> None:
    embeddings, queries, decider = decided(seed, structures, chunk)
    best, probability = plain(embeddings, queries)
    assert np.array_equal(decider.labels, best)
    assert np.abs(decider.certainty / 255 - np.where(best > 0, probability, 0)).max() < 0.003


def test_memory_layouts_and_number_formats_agree() -> None:
    embeddings = torch.randn(8, 6, 5, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    queries = torch.randn(3, 9, generator=torch.Generator().manual_seed(1))
    first, second = Decider(queries, (6, 5, 4)), Decider(queries, (6, 5, 4))
    first.add(embeddings, WHOLE)
    second.add(embeddings[None].contiguous(memory_format=torch.channels_last_3d)[0], WHOLE)
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.labels, plain(embeddings, queries)[0])


def test_equal_scores_go_to_the_first() -> None:
    decider = Decider(torch.tensor([[0.0, -1], [1.0, 0], [1.0, 0]]), (1, 1, 2))
    decider.add(torch.tensor([1.0, -1.0]).reshape(1, 1, 1, 2), WHOLE)
    assert decider.labels.ravel().tolist() == [2, 0]


def test_only_the_tile_is_written_and_peaks_are_remembered() -> None:
    decider = Decider(torch.tensor([[1.0, 0.0], [-1.0, -2.0]]), (4, 1, 1))
    decider.add(torch.full((1, 2, 1, 1), 3.0), (slice(1, 3), slice(0, 1), slice(0, 1)))
    decider.add(torch.full((1, 1, 1, 1), -1.0), (slice(3, 4), slice(0, 1), slice(0, 1)))
    assert decider.labels.ravel().tolist() == [0, 1, 1, 0]
    assert decider.peak.tolist() == [3.0, -1.0]


def test_a_temperature_changes_probabilities_and_no_decision() -> None:
    generator = torch.Generator().manual_seed(3)
    embeddings, queries = torch.randn(4, 5, 6, 7, generator=generator) * 3, torch.randn(6, 5, generator=generator)
    plain, cooled = Decider(queries, (5, 6, 7)), Decider(queries, (5, 6, 7), 2.5)
    for decider in (plain, cooled):
        decider.add(embeddings, WHOLE)
    assert np.array_equal(plain.labels, cooled.labels) and torch.equal(plain.peak, cooled.peak)
    sure = logit(np.clip(plain.certainty, 1, 254)[plain.labels > 0] / 255)
    wanted, given = 255 * expit(sure / 2.5), cooled.certainty[plain.labels > 0]
    clear = plain.certainty[plain.labels > 0] < 250  # above, 255 levels do not say what the logit was
    assert np.abs(wanted - given)[clear].max() < 6 and (given < plain.certainty[plain.labels > 0])[clear].mean() > 0.9
    assert cooled.probability(torch.tensor(5.0)) == torch.tensor(2.0).sigmoid()


def test_more_than_255_structures() -> None:
    queries = torch.zeros(300, 2)
    queries[299, 1] = 1.0
    decider = Decider(queries, (2, 2, 2))
    decider.add(torch.zeros(1, 2, 2, 2), WHOLE)
    assert decider.labels.dtype == np.uint16
    assert (decider.labels == 300).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), structures=st.integers(1, 12), chunk=st.sampled_from([50, 1 << 19]))
def test_the_lead_is_over_the_next_label(seed: int, structures: int, chunk: int) -> None:
    embeddings, queries, decider = decided(seed, structures, chunk)
    scores = torch.einsum("kd,dijl->kijl", queries[:, :-1], embeddings) + queries[:, -1].reshape(-1, 1, 1, 1)
    second, first = torch.cat([torch.zeros(1, 5, 6, 7), scores]).sort(0).values[-2:]
    assert decider.lead is not None and np.allclose(decider.lead, (first - second).sqrt(), rtol=2e-3, atol=2e-3)


def test_tiles_lead_as_the_whole_does() -> None:
    embeddings, queries, whole = decided(0, 3, 50)
    parts = Decider(queries, (5, 6, 7), finer=True)
    for piece in (slice(0, 2), slice(2, 5)):
        parts.add(embeddings[:, piece], (piece, slice(None), slice(None)))
    assert whole.lead is not None and parts.lead is not None and np.allclose(whole.lead, parts.lead, atol=1e-3)


def test_what_the_network_never_saw_is_air() -> None:
    decider = Decider(torch.tensor([[1.0, 0.0]]), (3, 1, 1), finer=True)
    decider.add(torch.full((1, 2, 1, 1), 4.0), (slice(0, 2), slice(None), slice(None)))
    assert decider.lead is not None and decider.lead.ravel().tolist() == [2.0, 2.0, np.float16(UNSEEN**0.5)]


def test_a_lead_is_kept_for_a_finer_volume_alone(model: LoadedModel) -> None:
    assert model.encode(toy_head(toy_grid())).lead is None
    encoded = model.encode(toy_head(toy_grid((3.0, 2.0, 2.5))))
    assert encoded.lead is not None and encoded.lead.shape == encoded.labels.shape


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, tuple | list) else (out,):
            if isinstance(item, torch.Tensor):
                self.bytes = max(self.bytes, item.numel() * item.element_size())
        return out


def test_nothing_has_the_size_of_structures_times_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "CHUNK_CPU", 1 << 15)
    embeddings = torch.randn(4, 24, 24, 24)
    sizes = {}
    for structures in (1, 100):
        with LargestTensor() as watch:
            Decider(torch.randn(structures, 5), (24, 24, 24), finer=True).add(embeddings, WHOLE)
        sizes[structures] = watch.bytes
    assert sizes[100] <= 1.05 * sizes[1]
    assert sizes[1] <= embeddings.nbytes

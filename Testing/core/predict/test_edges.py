"""Borders on a grid that is finer than the model's lie where the interpolated scores say."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from Testing.core.tiny import toy_grid, toy_head
from vlp3d_core.predict import LoadedModel
from vlp3d_core.predict.decide import Decider
from vlp3d_core.predict.edges import UNSEEN, WIDEST, Edges
from vlp3d_core.volume import Grid
from vlp3d_core.volume.resample_labels import resample_labels

SHAPE = (7, 6, 8)
WHOLE = (slice(None),) * 3


def grid(shape: tuple[int, ...], step: float) -> Grid:
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = (step - 1) / 2  # both grids begin at the same edge
    i, j, k = shape
    return Grid((i, j, k), affine)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def decided(queries: torch.Tensor, embeddings: torch.Tensor) -> Decider:
    decider = Decider(queries, embeddings.shape[1:], edges=Edges(queries, embeddings.shape[1:]))
    decider.add(embeddings, WHOLE)
    return decider


def on_finer(decider: Decider, times: int = 4) -> NDArray[np.unsignedinteger]:
    assert decider.edges
    labels = decider.labels
    source, target = grid(labels.shape, 1.0), grid(tuple(times * n for n in labels.shape), 1 / times)
    return resample_labels(labels, source, target, scores=decider.edges)


def test_a_border_lies_where_the_score_is_zero() -> None:
    """A score that falls from 3 to -1 between two voxels: three quarters of the way belong to the structure."""
    embeddings = torch.full((1, *SHAPE), -1.0)
    embeddings[:, :3] = 3.0
    decider = decided(torch.tensor([[1.0, 0.0]]), embeddings)
    fine = on_finer(decider, 20)[:, 50, 60]
    assert fine.sum() == 20 * 2.5 + 15
    by_labels = resample_labels(decider.labels, grid(SHAPE, 1.0), grid([20 * n for n in SHAPE], 0.05))[:, 50, 60]
    assert by_labels.sum() == 20 * 3


@examples(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), times=st.sampled_from([2, 4]))
def test_the_highest_interpolated_score_wins(seed: int, times: int) -> None:
    """Against torch's interpolation of all scores, wherever its winner is a label of a neighbour."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(3, 5, generator=generator)
    embeddings = torch.randn(4, *SHAPE, generator=generator).half().float()
    decider = decided(queries, embeddings)
    scores = torch.einsum("kd,dxyz->kxyz", queries[:, :-1], embeddings) + queries[:, -1][:, None, None, None]
    shape = [times * n for n in SHAPE]
    fine = torch.nn.functional.interpolate(scores[None], shape, mode="trilinear")[0]
    best = torch.cat([torch.zeros(1, *shape), fine]).argmax(0).numpy()
    result = on_finer(decider, times)
    second = torch.cat([torch.zeros(1, *shape), fine]).sort(0).values
    clear = ((second[-1] - second[-2]) > 1e-3).numpy()
    near = np.pad(decider.labels, 1, mode="edge")
    for index in zip(*np.nonzero((result != best) & clear), strict=True):
        low = [int(np.floor((n + 0.5) / times - 0.5)) + 1 for n in index]
        around = near[tuple(slice(n, n + 2) for n in low)]
        assert best[index] not in around
    assert (result == best).mean() > 0.6


def test_tiles_are_one_grid() -> None:
    queries, embeddings = torch.eye(3, 5), random(4, *SHAPE)
    whole, parts = decided(queries, embeddings), Decider(queries, SHAPE, edges=Edges(queries, SHAPE))
    for piece in (slice(0, 3), slice(3, 7)):
        parts.add(embeddings[:, piece], (piece, slice(None), slice(None)))
    assert np.array_equal(on_finer(whole), on_finer(parts))


def test_what_was_cleaned_away_stays_away() -> None:
    queries, embeddings = torch.eye(3, 5), random(4, *SHAPE)
    decider = decided(queries, embeddings)
    assert (on_finer(decider) == 2).any()
    decider.labels[decider.labels == 2] = 0
    assert not (on_finer(decider) == 2).any()


def test_a_part_of_the_grid() -> None:
    """A box in the middle is decided as within the whole, but for its outermost half voxel."""
    queries, embeddings = torch.eye(2, 5), random(4, 9, 9, 9)
    decider = decided(queries, embeddings)
    assert decider.edges
    box = (slice(2, 8), slice(1, 7), slice(3, 9))
    part = np.ascontiguousarray(decider.labels[box])
    cut = resample_labels(part, grid((6, 6, 6), 1.0), grid((12, 12, 12), 0.5), scores=decider.edges.within(box))
    whole = on_finer(decider, 2)[4:16, 2:14, 6:18]
    assert np.array_equal(cut[1:-1, 1:-1, 1:-1], whole[1:-1, 1:-1, 1:-1])


def test_what_the_network_never_saw_is_air() -> None:
    """The tile beyond was left out: from a score of 5 down to that of air, half of the way belongs to the structure."""
    queries = torch.tensor([[1.0, 0.0]])
    decider = Decider(queries, SHAPE, edges=Edges(queries, SHAPE))
    decider.add(torch.full((1, 3, *SHAPE[1:]), -UNSEEN), (slice(0, 3), slice(None), slice(None)))
    assert on_finer(decider, 4)[:, 12, 16].sum() == 12


def test_only_borders_are_kept() -> None:
    embeddings = torch.full((2, 20, 20, 20), -1.0)
    embeddings[:, 10:] = 1.0
    edges = decided(torch.tensor([[1.0, 1.0, 0.0]]), embeddings).edges
    assert edges
    inner = edges.rows[1:-1, 1:-1, 1:-1] >= 0
    assert inner[8:10].all() and not inner[:8].any() and not inner[10:].any()


def test_edges_are_kept_for_a_finer_volume_alone(model: LoadedModel) -> None:
    assert model.encode(toy_head(toy_grid())).edges is None
    finer = model.encode(toy_head(toy_grid((3.0, 2.0, 2.5))))
    assert (
        finer.edges
        and len(model.bundle.concepts) + 1 == len(finer.edges.queries)
        and finer.edges.queries.shape[1] <= WIDEST
    )

"""Retrieval: ranks by hand, the duplicates rule, chance, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.evaluate.retrieval import likeness_of_sets, rank, retrieval, same_text

EYE = np.eye(4)
NAMES = list("abcd")


def test_perfect_and_reversed() -> None:
    assert rank(EYE, EYE, EYE > 0, NAMES).ranks.tolist() == [1, 1, 1, 1]
    wrong = rank(EYE, EYE[::-1], EYE > 0, NAMES)
    assert wrong.recall[1] == 0 and wrong.recall[5] == 1


def test_ties_count_against_the_query() -> None:
    """A collapsed space, in which everything is alike, finds nothing."""
    flat = np.ones((4, 2)) / np.sqrt(2)
    assert rank(flat, flat, EYE > 0, NAMES).ranks.tolist() == [4, 4, 4, 4]


def test_duplicates_are_right_as_well() -> None:
    texts = ["Normal.", "normal. ", "A cyst.", "A stone."]
    right = same_text(texts)
    assert right.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    swapped = EYE[[1, 0, 2, 3]]  # the two normal ones are mixed up
    assert rank(EYE, swapped, right, NAMES).recall[1] == 1
    assert rank(EYE, swapped, EYE > 0, NAMES).recall[1] == 0.5


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(0, 99))
def test_chance_is_what_random_vectors_reach(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    eye = np.eye(count, dtype=bool)
    direction = rank(rng.normal(size=(count, 4)), rng.normal(size=(count, 4)), eye, [str(n) for n in range(count)])
    for k, chance in direction.chance.items():
        assert chance == pytest.approx(min(1, k / count))
        low, high = direction.interval95[k] or (0, 1)
        assert low <= direction.recall[k] <= high


def test_a_volume_is_never_its_own_answer() -> None:
    likeness = likeness_of_sets([frozenset("ab"), frozenset("ab"), frozenset("c"), frozenset("cd")])
    assert likeness[0, 1] == 1 and likeness[2, 3] == 0.5 and likeness[0, 2] == 0
    images = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], float)
    found = retrieval(images, images, ["1", "2", "3", "4"], NAMES, likeness)["image_to_image"]
    assert found.recall[1] == 1
    assert found.chance[1] == pytest.approx(1 / 3)


def test_json_has_the_contract_s_names() -> None:
    found = retrieval(EYE, EYE, NAMES, NAMES, np.ones((4, 4)))
    row = found["text_to_image"].to_json()
    assert {"recall@1", "recall@5", "recall@10", "recall@50", "recall@100", "median_rank", "ci95"} <= set(row)
    assert row["recall@1"] == 1 and row["median_rank"] == 1

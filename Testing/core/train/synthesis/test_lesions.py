"""Lesions that synthesis draws: in white matter alone, labelled wherever they are, as often and as large as asked."""

from __future__ import annotations

import pytest
import torch

from Testing.core.train.synthesis.heads import MR, generators
from vlp3d_core.errors import UsageError
from vlp3d_core.train.synthesis.lesions import LOAD, with_lesions
from vlp3d_core.train.synthesis.settings import LESION_CONCEPT, Synthesis, synthesis_of

TISSUES = ["white_matter", "gray_matter", "lesion"]
CONCEPTS = ("cerebral_white_matter_left", "brainstem", LESION_CONCEPT)


def settings(lesions: float = 1.0, concepts: tuple[str, ...] = CONCEPTS) -> Synthesis:
    made = synthesis_of(
        {"look": "mr", "usual": 1, "tissues": TISSUES, "lesions": lesions}, (2.0, 2.0, 2.0), MR, concepts
    )
    assert made is not None
    return made


def brain() -> tuple[torch.Tensor, torch.Tensor]:
    """(1, I, J, K) grey matter (2) around white matter (1, labelled 1), with a lesion (3) that is not labelled."""
    tissues, labels = torch.full((1, 40, 40, 40), 2), torch.zeros(1, 40, 40, 40, dtype=torch.uint8)
    tissues[:, 8:32, 8:32, 8:32], labels[:, 8:32, 8:32, 8:32] = 1, 1
    tissues[:, 2:4, 2:4, 2:4] = 3
    return tissues, labels


@pytest.mark.parametrize("seed", range(8))
def test_lesions_lie_in_white_matter_and_are_labelled(seed: int) -> None:
    tissues, labels = brain()
    drawn, named = with_lesions(tissues, labels, generators(seed)[0], settings())
    new = (drawn == 3) & (tissues != 3)
    inside = int((tissues == 1).sum())
    assert (tissues[new] == 1).all() and (named == 3).equal(drawn == 3)
    assert LOAD[0] * inside - 1 <= int(new.sum()) <= LOAD[1] * inside + 1
    assert drawn[~new].equal(tissues[~new]) and named[drawn != 3].equal(labels[drawn != 3])
    assert named.dtype == labels.dtype and drawn.dtype == tissues.dtype


def test_lesions_are_blobs() -> None:
    """A voxel of a lesion has more neighbours in it than one of the same number of voxels strewn about."""
    tissues, labels = brain()
    beside, count = 0, 0
    for seed in range(10):
        drawn, _ = with_lesions(tissues, labels, generators(seed)[0], settings())
        new = (drawn == 3) & (tissues != 3)
        beside += int((new[:, 1:] & new[:, :-1]).sum())
        count += int(new.sum())
    assert beside / count > 0.5


def test_more_of_them_lie_deep() -> None:
    """Far from grey matter, as around the ventricles: on average over many images, for each draws how much more."""
    tissues, labels = brain()
    deep = torch.zeros(1, 40, 40, 40, dtype=torch.bool)
    deep[:, 13:27, 13:27, 13:27] = True
    part = float((deep & (tissues == 1)).sum() / (tissues == 1).sum())
    drawn = [with_lesions(tissues, labels, g, settings())[0] for g in generators(0, 40)]
    new = [(one == 3) & (tissues != 3) for one in drawn]
    assert sum(float((one & deep).sum() / one.sum()) for one in new) / len(new) > 1.5 * part


def test_they_are_drawn_as_often_as_asked() -> None:
    tissues, labels = brain()
    own = int((tissues == 3).sum())
    drawn = [with_lesions(tissues, labels, g, settings(lesions=0.5))[0] for g in generators(0, 60)]
    assert 15 < sum(int((one == 3).sum()) > own for one in drawn) < 45


def test_without_the_setting_nothing_is_drawn() -> None:
    tissues, labels = brain()
    without = settings(lesions=0, concepts=("brainstem",))
    drawn, named = with_lesions(tissues, labels, generators(0)[0], without)
    assert drawn is tissues and named is labels


def test_lesions_that_are_not_learnt_count_as_what_they_lie_in() -> None:
    tissues, labels = brain()
    drawn, named = with_lesions(tissues, labels, generators(0)[0], settings(concepts=("brainstem",)))
    assert (drawn != tissues).any() and named is labels


def test_no_white_matter_no_lesion() -> None:
    tissues, labels = brain()
    tissues[tissues == 1] = 2
    assert with_lesions(tissues, labels, generators(0)[0], settings())[0].equal(tissues)


@pytest.mark.parametrize(
    ("change", "concepts", "reason"),
    [
        ({"tissues": ["white_matter"]}, CONCEPTS, "needs the look mr and tissues named lesion and white_matter"),
        ({"lesions": 2}, CONCEPTS, "must not be above 1"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, object], concepts: tuple[str, ...], reason: str) -> None:
    values = {"look": "mr", "usual": 1, "tissues": TISSUES, "lesions": 1, **change}
    with pytest.raises(UsageError, match=reason):
        synthesis_of(values, (2, 2, 2), MR, concepts)

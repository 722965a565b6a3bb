"""A region is shown to a real worker, and looked for in a volume by what the worker answered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from Testing.core.service.conftest import PATIENCE, files_of
from Testing.core.tiny import BANDS, toy_labels
from vlp3d_core.errors import MedVLPError
from vlp3d_core.predict import LoadedModel
from vlp3d_core.service.client import Found, Job, Worker
from vlp3d_core.service.protocol import Garbage, like_of
from vlp3d_core.volume import Volume
from vlp3d_core.volume.grid import Grid

TINY: dict[str, Any] = {"model": "ct-tiny", "device": "cpu"}


def done(worker: Worker, job: Job) -> Any:
    return worker.wait(job, PATIENCE)


@pytest.fixture
def mask(fine_head: Volume) -> np.ndarray:
    """Of the mandible."""
    return toy_labels(Grid.of(fine_head)) == list(BANDS).index("mandible") + 1


@pytest.fixture
def turned(fine_head: Volume) -> Volume:
    """The head with everything elsewhere."""
    return Volume(np.asfortranarray(fine_head.array[::-1, ::-1]), fine_head.affine, "CT")


def test_like_gives_what_the_engine_gives(
    warm: Worker, engine: LoadedModel, fine_head: Volume, turned: Volume, mask: np.ndarray
) -> None:
    like = json.loads(json.dumps(done(warm, warm.likeness(fine_head, mask, "jaw", **TINY))))
    shown, searched = (Volume(v.array.astype(np.float32), v.affine, "CT") for v in (fine_head, turned))
    likeness = engine.likeness(shown, mask, "jaw")
    assert np.allclose(like["query"], likeness.query, rtol=1e-4) and like["volume_ml"] == likeness.volume_ml
    made: Found = done(warm, warm.find(turned, like=like, k=2, **TINY))
    expected = engine.find_alike(searched, likeness, k=2)
    assert made.text == "like jaw" and len(made.regions) == len(expected) > 0
    mine, theirs = made.regions[0], expected[0]
    assert (mine.concept, mine.name, mine.type) == ("custom_alike", "Like jaw", theirs.concept.type)
    assert np.array_equal(mine.mask, theirs.crop()[0]) and mine.score == pytest.approx(theirs.score, abs=1e-3)
    assert files_of(warm) == []


def test_what_is_searched_stays_encoded(warm: Worker, fine_head: Volume, turned: Volume, mask: np.ndarray) -> None:
    done(warm, warm.encode(turned, key="searched", **TINY))
    like = done(warm, warm.likeness(fine_head, mask, **TINY))
    done(warm, warm.find(turned, like=like, key="searched", **TINY))
    stages: set[str] = set()
    done(warm, warm.find(turned, "skull", key="searched", on_progress=lambda job: stages.add(job.stage), **TINY))
    assert "encoding" not in stages


def test_what_cannot_be_shown_is_explained(warm: Worker, fine_head: Volume, mask: np.ndarray) -> None:
    for wrong, words in (
        (np.zeros_like(mask), "jaw has no voxel"),
        (mask[1:], "does not have the volume's shape"),
        (mask[0], "not a volume"),
    ):
        with pytest.raises(MedVLPError, match=words):
            done(warm, warm.likeness(fine_head, wrong, "jaw", **TINY))
    like = done(warm, warm.likeness(fine_head, mask, **TINY))
    for change in ({"model": "another"}, {"query": like["query"][1:]}):
        with pytest.raises(MedVLPError, match="is of the model"):
            done(warm, warm.find(fine_head, like={**like, **change}, **TINY))
    assert files_of(warm) == []


@pytest.mark.parametrize("change", [{"query": None}, {"query": ["a"]}, {"query": [True]}, {"name": 3}, {"model": None}])
def test_what_is_no_likeness_is_garbage(change: dict[str, Any]) -> None:
    right = {"query": [0.5, 1], "volume_ml": 2, "name": "jaw", "model": "ct-tiny"}
    assert like_of(right).query == (0.5, 1.0)
    for wrong in ({**right, **change}, [right]):
        with pytest.raises(Garbage):
            like_of(wrong)

"""Made images as files: they lie on their labels, repeat themselves, and can be evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.core.train.synthesis.heads import NAMES, write_heads
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.manifest import read_manifest, write_manifest
from vlp3d_core.train.synthesis.made import write_made
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels


def config(**changes: object) -> FinetuneConfig:
    values = {
        "name": "made",
        "concepts": tuple(NAMES.values()),
        "modality": "MR",
        "spacing": (10.0, 10.0, 10.0),
        "normalisation": {"kind": "percentile", "low": 1, "high": 99.5},
        "synthesis": {"look": "mr", "cropped": 0},
        **changes,
    }
    return FinetuneConfig(**values)  # type: ignore[arg-type]


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("vlp3d_core.train.synthesis.made.SPACING", (10.0, 10.0, 10.0))  # small heads
    cases = [replace(case, modality="MR") for case in write_heads(tmp_path, ("train", "test", "test"))]
    write_manifest(cases, tmp_path / "heads.jsonl")
    return tmp_path / "heads.jsonl"


def test_images_lie_on_their_labels_and_are_scans_to_the_rest(manifest: Path, tmp_path: Path) -> None:
    made = read_manifest(write_made(manifest, config(), "test", 2, tmp_path / "made"))
    assert [case.subject for case in made] == ["map-1", "map-1", "map-2", "map-2"]
    for case in made:
        assert case.label and case.split == "test" and not case.made_from
        image, (labels, affine) = read_volume(case.image), read_labels(case.label)
        assert image.shape == labels.shape and np.allclose(image.affine, affine)
        assert set(np.unique(labels)) == {0, 1, 2, 3} and case.labels == NAMES
        assert 0 <= image.array.min() < image.array.max() <= 255
    first, second = (read_volume(case.image).array for case in made[:2])
    assert first.shape == second.shape and not np.allclose(first, second)


def test_the_same_again(manifest: Path, tmp_path: Path) -> None:
    images = [
        read_volume(read_manifest(write_made(manifest, config(), "test", 1, tmp_path / name))[0].image).array
        for name in ("one", "two")
    ]
    assert np.array_equal(*images)


@pytest.mark.parametrize(("changes", "split"), [({"synthesis": {}}, "test"), ({}, "validation")])
def test_nothing_to_make(manifest: Path, tmp_path: Path, changes: dict[str, object], split: str) -> None:
    with pytest.raises(MedVLPError, match="nothing to make images from"):
        write_made(manifest, config(**changes), split, 1, tmp_path / "made")

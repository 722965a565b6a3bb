"""A tiny training set: phantoms of the head and neck on a coarse grid, with a manifest, and settings that fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlp3d_core.phantom import make_phantom
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume

CONCEPTS = ("mandible", "parotid_gland_left", "parotid_gland_right")

TINY = FinetuneConfig(
    name="ct-tiny-trained",
    concepts=CONCEPTS,
    spacing=(10.0, 10.0, 10.0),
    normalisation={"kind": "window", "low": -350, "high": 650},
    modality="CT",
    licence="Apache-2.0",
    encoder_options={"channels": [8, 16]},
    dimension=4,
    text_rank=8,
    patch=(16, 16, 16),
    batch=2,
    steps=8,
    validate_every=2,
    warmup=2,
    ema=0.5,
    precision="32-true",
    anchors=("mandible",),
)


@pytest.fixture(scope="session")
def texts_once() -> Iterator[None]:
    """Load the tower and encode its phrases once for all runs: that is most of what a tiny run costs."""
    from vlp3d_core.train import engine

    queries, basis = engine.query_texts, engine.text_basis
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "TextEncoder", SimpleNamespace(load=cache(TextEncoder.load)))
        patch.setattr(engine, "query_texts", cache(queries))
        patch.setattr(
            engine,
            "text_basis",
            lambda known, encoder, rank: _basis(basis, tuple(c.id for c in known if c.id in CONCEPTS), encoder, rank),
        )
        yield


@cache
def _basis(basis: Callable[..., Any], names: tuple[str, ...], encoder: TextEncoder, rank: int) -> Any:
    return basis([concepts()[name] for name in names], encoder, rank)


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """Four phantoms at 10 mm on disk: two to train on, one for validation, one for the test. Do not change them."""
    folder = tmp_path_factory.mktemp("heads")
    cases = []
    for seed, split in enumerate(("train", "train", "validation", "test")):
        phantom = make_phantom(seed, "head-neck", spacing=(10, 10, 10))
        image, label = folder / f"{seed}.nii.gz", folder / f"{seed}-labels.nii.gz"
        write_volume(phantom.volume, image)
        write_segmentation(phantom.segmentation(), label)
        cases.append(Case(image, f"head-{seed}", split, label, phantom.values, None, "CT"))
    return cases


@pytest.fixture(scope="session")
def manifest(heads: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "heads.jsonl"
    write_manifest(heads, path)
    return path


@pytest.fixture(scope="session")
def settings(texts_once: None) -> Callable[..., FinetuneConfig]:
    """Settings of a run of seconds; keywords change them."""
    return lambda **changes: replace(TINY, **changes)

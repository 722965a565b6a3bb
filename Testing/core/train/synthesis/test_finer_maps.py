"""Images from maps that are finer than they are: parts of several tissues in a voxel, labels in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from Testing.core.train.synthesis.heads import MR, apart, generators, settings, write_heads
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.train.synthesis.lesions import with_lesions
from vlp3d_core.train.synthesis.scan import acquired
from vlp3d_core.train.synthesis.settings import LESION_CONCEPT, synthesis_of
from vlp3d_core.train.synthesis.synthesise import synthesise

Settings = Callable[..., FinetuneConfig]
BONE = {"look": "ct", "tissues": ["bone_cortical"], "cropped": 0, "noise": 0}


@pytest.mark.parametrize("finest", [1.0, 1.6, 2.0])
def test_an_image_has_its_own_grid(finest: float) -> None:
    chosen = settings(**BONE, finest=finest)
    maps = chosen.map_shape((40, 24, 32))
    tissues = torch.ones(1, *maps, dtype=torch.uint8)
    image, labels = synthesise(tissues, tissues, generators(0), chosen)
    assert image.shape == (1, 1, 40, 24, 32) and labels.shape == (1, 40, 24, 32)
    assert chosen.image_shape(maps) == (40, 24, 32)


@examples(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), finest=st.sampled_from([1.0, 1.6]))
def test_a_bright_tissue_lies_where_its_label_is(seed: int, finest: float) -> None:
    """The middle of the image of one bright cube against that of its label, in voxels of the image."""
    chosen = settings(**BONE, finest=finest)
    tissues = torch.zeros(1, *chosen.map_shape((40, 40, 40)), dtype=torch.uint8)
    first, end = (round(n * 2 / finest) for n in (14, 24))
    tissues[:, first:end, first:end, first:end] = 1
    image, label = synthesise(tissues, tissues, generators(seed), chosen)
    assert apart(image, label) < 0.5


def test_a_voxel_shows_parts_of_several_tissues() -> None:
    """Of a border through the middle of a voxel half is seen; where maps are as coarse as images, that is all noise."""
    image = torch.zeros(1, 1, 16, 16, 16)
    image[:, :, :5] = 1  # the third voxel of 2 mm is half and half
    made = [acquired(image, g, settings(finest=1, noise=0, thickest=0))[0, 0] for g in generators(0, 20)]
    assert all(one.shape == (8, 8, 8) for one in made)
    assert all(0.3 < float(one[2].mean()) < 0.7 for one in made)
    assert all(float(one[0].mean()) > 0.9 and float(one[4:].mean()) < 0.1 for one in made)


def test_lesions_are_labelled_on_the_grid_of_the_image() -> None:
    names = {"look": "mr", "usual": 1, "tissues": ["white_matter", "lesion"], "lesions": 1, "finest": 1}
    chosen = synthesis_of(names, (2.0, 2.0, 2.0), MR, (LESION_CONCEPT,))
    assert chosen is not None
    tissues = torch.ones(1, 40, 40, 40, dtype=torch.uint8)
    drawn, named = with_lesions(tissues, torch.zeros(1, 20, 20, 20, dtype=torch.uint8), generators(1)[0], chosen)
    parts = torch.nn.functional.avg_pool3d((drawn == 2).float()[None], 2)[0]
    assert named.shape == (1, 20, 20, 20) and named.any()
    assert (parts[named == 1] > 0.5).all() and (parts[named == 0] <= 0.5).all()


@pytest.mark.parametrize("finest", [0.9, 2.1])
def test_a_grid_out_of_range_is_named(finest: float) -> None:
    with pytest.raises(UsageError, match=r"synthesis\.finest must be between half the spacing and the spacing"):
        settings(finest=finest)


def test_a_patch_that_is_no_whole_number_of_voxels_is_named() -> None:
    with pytest.raises(UsageError, match=r"patch times the spacing must be a whole number of times synthesis\.finest"):
        settings(finest=1.5).map_shape((16, 17, 16))


def test_training_on_finer_maps(settings: Settings, tmp_path: Path, heads: list[Case]) -> None:
    """Maps of 10 mm, images of 20 mm; scans may be among those to validate on, and not among the others."""
    look = {"look": "ct", "tissues": ["muscle", "fat", "liver", "bone_cortical"], "finest": 10}
    maps = write_heads(tmp_path)
    scan = replace(heads[2], image=heads[2].image.resolve())
    config = settings(synthesis=look, spacing=(20.0, 20.0, 20.0), steps=2)
    write_manifest([*maps, scan], tmp_path / "maps.jsonl")
    bundle = finetune(config, tmp_path / "maps.jsonl", tmp_path / "run")
    assert bundle.spacing == (20.0, 20.0, 20.0)
    write_manifest([*maps, replace(scan, split="train")], tmp_path / "both.jsonl")
    with pytest.raises(MedVLPError, match=r"is a scan, and synthesis\.finest trains on maps of tissues alone"):
        finetune(config, tmp_path / "both.jsonl", tmp_path / "refused")

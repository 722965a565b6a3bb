"""Instances of a volume by a bundle of affinities: each brick is found, told, found again by text, and limited."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny_em import CUTS, NM8, SETTINGS, brick_volume, bricks, write_tiny_em
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.evaluate.instances import score_instances
from vlp3d_core.model.bundle import load_network, read_bundle
from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.predict.asked import check_query
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.resample import resample


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_em(tmp_path_factory.mktemp("models") / "em-tiny").folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    return load_model(folder, "cpu")


def test_each_brick_is_an_instance(model: LoadedModel) -> None:
    volume, truth = brick_volume(), bricks()
    seen: list[str] = []
    found = model.segment(volume, progress=lambda stage, fraction: seen.append(stage))
    assert score_instances(found.labels, truth).voi < 0.02 and found.labels.min() == 1
    assert [s.name for s in found.segments] == [f"Neurite {n}" for n in range(1, 13)]
    assert len({s.color for s in found.segments}) == len({s.id for s in found.segments}) == 12
    assert {s.type[2] for s in found.segments} == {"Neurite"} and all(s.found for s in found.segments)
    sizes = [s.volume_ml for s in found.segments]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == pytest.approx(truth.size * volume.voxel_ml, rel=0.01)
    largest = found.segments[0]
    middle = [(cuts[-2] + cuts[-1] - 1) / 2 if a == 0 else (cuts[0] + cuts[1] - 1) / 2 for a, cuts in enumerate(CUTS)]
    expected = volume.affine[:3, :3] @ middle + volume.affine[:3, 3]
    assert largest.centre == pytest.approx(tuple(expected), abs=1.5 * NM8)
    assert found.mask("neurite").all() and set(seen) == {"preparing", "encoding", "cleaning", "resampling"}


def test_the_largest_are_kept_and_that_is_said(model: LoadedModel) -> None:
    found = model.segment(brick_volume(), most=3)
    assert [s.instance for s in found.segments] == [1, 2, 3] and sorted(np.unique(found.labels)) == [0, 1, 2, 3]
    assert any(note.startswith("12 instances were found; the 3 largest are kept") for note in found.notes)


def test_small_instances_go_to_a_neighbour(tmp_path: Path) -> None:
    smallest = int(np.bincount(bricks().ravel())[1:].min())
    settings = SETTINGS | {"smallest_voxels": smallest + 50}
    found = load_model(write_tiny_em(tmp_path / "em", instances=settings).folder, "cpu").segment(brick_volume())
    assert len(found.segments) == 11 and found.labels.min() == 1


def test_a_part_of_the_volume(model: LoadedModel) -> None:
    volume = brick_volume()
    r0, r1, a0, a1, s0, s1 = Grid.of(volume).bounds
    found = model.segment(volume, roi=(r0, (r0 + r1) / 2, a0, a1, s0, s1))
    assert not found.labels[16:].any() and found.labels[:16].all() and 4 <= len(found.segments) < 12


def test_other_voxels_are_resampled_and_said(model: LoadedModel) -> None:
    volume = brick_volume()
    fine = resample(volume, model_grid(Grid.of(volume), (NM8 / 2.5,) * 3), 0.0)
    found = model.segment(fine)
    assert found.labels.shape == fine.shape and 10 <= len(found.segments) <= 14
    assert any("3.2 x 3.2 x 3.2 nm) are more than 2 times larger or smaller" in note for note in found.notes)
    assert not model.segment(volume).notes


def test_what_is_no_em_is_refused(model: LoadedModel) -> None:
    with pytest.raises(MedVLPError, match="The volume is CT and the model em-tiny was trained on EM"):
        model.segment(brick_volume(modality="CT"))
    for modality in ("", "EM"):
        with pytest.raises(MedVLPError, match="no electron microscope's") as error:
            model.segment(brick_volume(8.0, modality))
        assert "nanometres" in error.value.remedy


def test_found_by_text(model: LoadedModel) -> None:
    encoded = model.encode(brick_volume())
    regions = model.find(encoded, "neurite", 4)
    assert [r.concept.name for r in regions] == [f"Neurite {n}" for n in range(1, 5)]
    whole = model.segment(encoded)
    assert np.array_equal(regions[1].mask() > 0, whole.labels == 2)
    assert regions[1].volume_ml == pytest.approx(whole.segments[1].volume_ml, rel=1e-3)
    for text in ("membrane", "neuron"):
        with pytest.raises(UsageError, match=rf"em-tiny was not trained on .*{text}\..* (I|i)t knows: neurite"):
            check_query(text, model.bundle)
        found = model.find(encoded, text)
        assert not found and any("neurite" in note for note in found.notes)


def test_nothing_is_an_answer(model: LoadedModel) -> None:
    flat = brick_volume()
    found = model.segment(flat.with_array(np.full_like(flat.array, 40)))
    assert [(s.name, s.found) for s in found.segments] == [("Neurite", False)] and not found.labels.any()


def test_too_many_for_a_label_map(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp3d_core.predict.instances.MOST", 11)
    with pytest.raises(MedVLPError, match="12 instances and a label map can hold 11"):
        model.segment(brick_volume())


def test_a_cancel_is_heard_while_instances_are_made(model: LoadedModel) -> None:
    seen: list[str] = []
    with pytest.raises(Cancelled):
        model.segment(
            brick_volume(), progress=lambda stage, _: seen.append(stage), cancel=lambda: seen[-1:] == ["cleaning"]
        )
    assert "resampling" not in seen


def test_the_card_is_checked(folder: Path, tmp_path: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.kind == "affinities" and model_memory(bundle.folder) > 0
    with pytest.raises(MedVLPError, match="em-tiny has no text queries"):
        load_network(bundle)
    for change in (
        {"instances": {"threshold": 2, "smallest_voxels": 0}},
        {"concepts": [{"id": "neurite"}, {"id": "axon"}]},
    ):
        (tmp_path / "bundle.json").write_text(json.dumps(bundle.card | change), encoding="utf-8")
        with pytest.raises(MedVLPError, match="not a valid card"):
            read_bundle(tmp_path)
    card = {key: value for key, value in bundle.card.items() if key != "instances"}
    (tmp_path / "bundle.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(MedVLPError, match="not a valid card: the card: 'instances' is a required property"):
        read_bundle(tmp_path)


def model_memory(folder: Path) -> int:
    volume = brick_volume()
    return load_model(folder, "cpu").estimate(replace(volume, modality="")).memory_bytes

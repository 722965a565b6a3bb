"""What lies between instances: told beside them, written and found when it is asked for, in toy, phantom and tissue."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from Testing.core.tiny_em import BORDER, DARK, NM8, SETTINGS, brick_volume, write_tiny_em
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.phantom import make_em
from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.predict.asked import asked_structures, check_query
from vlp3d_core.predict.instances import Affinities
from vlp3d_core.service.shelf import Kept
from vlp3d_core.volume.affinities import affinities_of, ends
from vlp3d_core.volume.volume import Volume


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(write_tiny_em(tmp_path_factory.mktemp("models") / "em-tiny", **BORDER).folder, "cpu")


def walls() -> np.ndarray:
    """What the tiny model cuts off: dark voxels, and those before them."""
    return ends(np.stack([brick_volume().array == DARK] * 3))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float(np.count_nonzero(one & other)) / float(np.count_nonzero(one) + np.count_nonzero(other))


def test_asked_for_alone_it_is_one_segment(model: LoadedModel) -> None:
    volume = brick_volume()
    found = model.segment(volume, "cell membranes")
    (row,) = found.segments
    assert (row.id, row.name, row.value, row.instance, row.found) == ("membrane", "Cell membrane", 1, 0, True)
    assert np.array_equal(found.labels > 0, walls()) and found.labels.max() == 1 and not found.notes
    assert row.volume_ml == pytest.approx(np.count_nonzero(walls()) * volume.voxel_ml, rel=1e-3)
    assert row.score > 0.99, "the network is sure of what it cuts"


def test_beside_instances_it_is_left_out_and_that_is_said(model: LoadedModel, tmp_path: Path) -> None:
    volume = brick_volume()
    without = load_model(write_tiny_em(tmp_path / "em").folder, "cpu").segment(volume)
    for asked in (None, ["neurite", "membrane"], ["membrane", "neurite"]):
        found = model.segment(volume, asked)
        assert np.array_equal(found.labels, without.labels) and found.segments == without.segments
        (note,) = found.notes
        assert note.startswith("Cell membrane: left out") and "when it alone is asked for" in note
    assert not model.segment(volume, "neurite").notes


def test_ids_between_commas_are_two_structures(model: LoadedModel) -> None:
    """In prose "neurite, membrane" is the membrane of a neurite, as "kidney, left" is the left kidney."""
    assert asked_structures("neurite, membrane", model.bundle) == ("neurite", "membrane")
    assert asked_structures("neuronal membrane", model.bundle) == ("membrane",)


def test_found_by_text(model: LoadedModel) -> None:
    encoded = model.encode(brick_volume())
    check_query("membrane", model.bundle)
    (region,) = model.find(encoded, "the plasma membrane")
    assert region.concept.id == "membrane" and np.array_equal(region.mask() > 0, walls())
    assert region.crop()[0].sum() == np.count_nonzero(walls())
    names = [r.concept.name for r in model.find(encoded, "neurites and membranes", 5)]
    assert sorted(names[:2]) == ["Cell membrane", "Neurite 1"] and names[2:] == [f"Neurite {n}" for n in (2, 3, 4)]
    near = model.find(encoded, "what lies near the membrane", 3)
    assert near and {r.concept.id for r in near} == {"neurite"}


def test_nothing_lies_between_no_instances(model: LoadedModel) -> None:
    flat = brick_volume()
    for value in (DARK, 0):
        dark = flat.with_array(np.full_like(flat.array, value))
        found = model.segment(dark, "membrane")
        assert [(s.concept, s.found) for s in found.segments] == [("membrane", False)] and not found.labels.any()
        found = model.find(dark, "membrane")
        assert not found and any("Nothing found for cell membrane" in note for note in found.notes)


def test_a_tile_that_nobody_looked_at_has_no_border() -> None:
    """A tile of air is left out; its affinities are those of nothing, on its face too."""
    collector = Affinities((16, 8, 8))
    logits = torch.full((3, 8, 8, 8), 9.0)
    logits[0, 4] = -9.0
    collector.add(logits, (slice(0, 8), slice(0, 8), slice(0, 8)))
    made = collector.instances({"threshold": 0.5, "smallest_voxels": 0})
    assert np.unique(np.nonzero(made.border)[0]).tolist() == [3, 4], "the one cut, and neither 7 nor what follows"
    assert made.border_certainty[3:5].min() == 255 and not made.border_certainty[8:].any()


def test_what_the_worker_keeps_holds_no_second_array(model: LoadedModel) -> None:
    volume = brick_volume()
    raw = volume.with_array(volume.array.astype(np.uint8))
    kept = Kept(raw).keep(model, None, model.encode(volume))
    assert kept.volume is raw and kept.answer_for("membrane").volume is raw
    assert model.segment(kept, "membrane").segments[0].found


@pytest.mark.parametrize(
    "change",
    [
        {"instances": SETTINGS | {"border": "membrane"}},
        {"concepts": [{"id": "neurite"}, {"id": "membrane"}]},
        {**BORDER, "concepts": [{"id": "membrane"}, {"id": "neurite"}]},
        {**BORDER, "concepts": [{"id": "neurite"}, {"id": "membrane"}, {"id": "axon"}]},
    ],
    ids=["no concept", "no border", "order", "a third"],
)
def test_the_card_is_checked(model: LoadedModel, change: dict[str, object], tmp_path: Path) -> None:
    card = {k: v for k, v in model.bundle.card.items() if k not in ("instances", "concepts")}
    plain = {"instances": SETTINGS, "concepts": [{"id": "neurite"}]}
    (tmp_path / "bundle.json").write_text(json.dumps(card | plain), encoding="utf-8")
    assert read_bundle(tmp_path).concepts == ("neurite",)
    (tmp_path / "bundle.json").write_text(json.dumps(card | plain | change), encoding="utf-8")
    with pytest.raises(MedVLPError, match="not a valid card"):
        read_bundle(tmp_path)


def test_the_embedded_model_in_a_phantom() -> None:
    """Tissue that it has not learned: most of the membranes are found, where chance would find a sixth."""
    block = make_em(1, [NM8] * 3, [72] * 3)
    found = load_model("em-neurons", "cpu").segment(block.volume, "membrane").mask("membrane")
    truth = block.labels == next(value for value, name in block.values.items() if name == "membrane")
    assert dice(found, truth) > 0.5 > 2.5 * truth.mean()


def test_the_embedded_model_in_tissue(shared_data: Path) -> None:
    """Of the slices of fib25 that were kept back (`train.importers.fib25`), a part."""
    folder, part = shared_data / "em_fib25", (slice(0, 96), slice(0, 96), slice(200, 248))
    image, truth = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"train2_{name}.nrrd"))).T[part]
        for name in ("raw", "neurons")
    )
    volume = Volume(image.astype(np.float32), np.diag([NM8, NM8, NM8, 1.0]), "EM")
    found = load_model("em-neurons", "cpu").segment(volume, "membrane").mask("membrane")
    together, known = affinities_of(truth)
    assert dice(found & (truth != 0), ends(known & ~together)) > 0.6
    assert image[found].mean() < image[~found].mean() - 10, "membranes are dark"

"""`find` on the toy head: regions for words, or reasons why there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_labels, write_tiny_bundle
from vlp3d_core.errors import UsageError
from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.volume import Volume


@pytest.mark.parametrize("name", BANDS)
def test_the_same_voxels_as_segment(model: LoadedModel, encoded: Encoded, toy_head: Volume, name: str) -> None:
    (region,) = model.find(encoded, name)
    assert region.concept.id == name
    assert np.array_equal(region.mask() > 0, model.segment(toy_head).mask(name))
    assert region.mask().dtype == np.uint8
    assert np.allclose(region.centre, PLACES[name][0], atol=1e-6)
    half = PLACES[name][1]
    assert region.volume_ml == pytest.approx(8 * half[0] * half[1] * half[2] / 1000)
    assert 0.9 < region.score <= 1


def test_a_volume_is_encoded_on_the_way(model: LoadedModel, toy_head: Volume, encoded: Encoded) -> None:
    assert [r.centre for r in model.find(toy_head, "mandible")] == [r.centre for r in model.find(encoded, "mandible")]


def test_both_sides(model: LoadedModel, encoded: Encoded) -> None:
    regions = model.find(encoded, "both parotids")
    assert {r.concept.id for r in regions} == {"parotid_gland_left", "parotid_gland_right"}
    left = next(r for r in regions if r.concept.side == "left")
    assert left.centre[0] < 0, "left has negative R"


def test_pieces_are_sorted_and_limited(tmp_path: Path, toy_head: Volume) -> None:
    """Without the rule of the largest component every piece answers; each structure's largest comes first."""
    model = load_model(write_tiny_bundle(tmp_path / "m", concepts=[{"id": name} for name in BANDS]).folder, "cpu")
    array = toy_head.array.copy()
    array[4:8, 4:8, 4:8] = array[4:8, 20:24, 4:7] = 900
    array[30, 30, 30] = 900
    encoded = model.encode(toy_head.with_array(array))
    skulls = model.find(encoded, "skull")
    assert [round(r.volume_ml / 0.064) for r in skulls] == [384, 64, 48], "a single voxel is not a region"
    assert len(model.find(encoded, "skull", k=2)) == 2
    mixed = model.find(encoded, "skull and brainstem")
    assert {mixed[0].concept.id, mixed[1].concept.id} == {"skull", "brainstem"}
    firsts, rest = [r.score for r in mixed][:2], [r.score for r in mixed][2:]
    assert firsts == sorted(firsts, reverse=True) and rest == sorted(rest, reverse=True)
    with pytest.raises(UsageError):
        model.find(encoded, "skull", k=0)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("flurbotron", "Unknown: flurbotron"),
        ("liver", "does not know liver"),
        ("no mandible", "only excludes"),
        ("", "asks for nothing"),
    ],
)
def test_words_without_an_answer(model: LoadedModel, encoded: Encoded, text: str, note: str) -> None:
    regions = model.find(encoded, text)
    assert len(regions) == 0
    assert any(note.lower() in line.lower() for line in regions.notes), regions.notes


def test_not_there(model: LoadedModel, toy_head: Volume) -> None:
    array = toy_head.array.copy()
    array[toy_labels(toy_grid()) == 6] = -60
    regions = model.find(toy_head.with_array(array), "lower jaw")
    assert len(regions) == 0
    assert any(line.startswith("Nothing found for mandible") for line in regions.notes)


@pytest.mark.parametrize("value", [-1000.0, 300.0])
def test_out_of_field(model: LoadedModel, value: float) -> None:
    array = np.full((20, 20, 20), -60, np.float32)
    array[5:10, 5:10, 5:10] = value
    regions = model.find(Volume(array, np.diag([4.0, 4, 4, 1]), "CT"), "mandible")
    assert len(regions) == 0
    assert any("does not seem to show" in line for line in regions.notes)


def test_only_air(model: LoadedModel) -> None:
    encoded = model.encode(Volume(np.full((9, 9, 9), -1000, np.float32), np.diag([4.0, 4, 4, 1]), "CT"))
    regions = model.find(encoded, "skull")
    assert len(regions) == 0 and any("air" in line for line in regions.notes)

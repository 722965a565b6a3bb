"""The picture of a failure: cut where the masks differ most, reference blue, prediction orange, right on the left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from Testing.core.predict.test_overview import turned
from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_head, toy_labels
from vlp3d_core.errors import MedVLPError
from vlp3d_core.phantom import Phantom
from vlp3d_core.predict.disagreement import (
    PANEL,
    PREDICTION,
    REFERENCE,
    TOP,
    Masks,
    Words,
    draw_disagreement,
    scenes,
    write_disagreement,
)
from vlp3d_core.predict.small_png import MOST_BYTES
from vlp3d_core.volume import Grid, Volume

WORDS = Words("A structure", "Dice 0.12", "1.0 ml", "2.0 ml")


def mask(grid: Grid, structure: str) -> np.ndarray:
    return toy_labels(grid) == 1 + list(BANDS).index(structure)


def nowhere(grid: Grid) -> np.ndarray:
    return np.zeros(grid.shape, bool)


def drawn(picture: Path, color: str, panel: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, within a panel, of the pixels of a colour."""
    pixels = imread(picture)[TOP:, panel * PANEL + (8 + 8 * panel) :, :3][:, :PANEL]
    rows, columns = np.nonzero((np.abs(pixels - np.array(to_rgb(color))) < 0.01).all(axis=-1))
    return rows, columns


@pytest.mark.parametrize("grid", [toy_grid(), turned()], ids=["RAS", "turned"])
def test_the_patients_right_is_on_the_left(grid: Grid, tmp_path: Path) -> None:
    """The right gland in the reference, the left one predicted."""
    masks = Masks(mask(grid, "parotid_gland_right"), mask(grid, "parotid_gland_left"), grid.affine)
    write_disagreement(toy_head(grid), masks, WORDS, tmp_path / "o.png")
    blue, orange = (drawn(tmp_path / "o.png", color, 0)[1] for color in (REFERENCE, PREDICTION))
    assert blue.size and orange.size
    assert blue.max() < PANEL / 2 < orange.min()


@pytest.mark.parametrize("grid", [toy_grid(), turned()], ids=["RAS", "turned"])
def test_front_and_top_are_above(grid: Grid, tmp_path: Path) -> None:
    """The mandible in front, the cord behind and below."""
    masks = Masks(mask(grid, "mandible"), mask(grid, "spinal_cord"), grid.affine)
    write_disagreement(toy_head(grid), masks, WORDS, tmp_path / "o.png")
    in_front, behind = (drawn(tmp_path / "o.png", color, 0)[0] for color in (REFERENCE, PREDICTION))
    assert in_front.max() < behind.min()
    sagittal = [drawn(tmp_path / "o.png", color, 1)[0] for color in (REFERENCE, PREDICTION)]
    (view, _) = scenes(toy_head(grid), masks)[1]
    assert view.name == "Coronal" or sagittal[0].mean() < sagittal[1].mean()


def test_cuts_go_where_the_masks_differ_most() -> None:
    """A tall box of which the prediction has all but one corner: the corner's slices are shown."""
    grid = toy_grid()
    reference = nowhere(grid)
    reference[10:20, 12:22, 8:28] = True
    prediction = reference.copy()
    prediction[10:14, 12:14, 24:28] = False
    prediction[10:20, 12:22, 25] = False
    (axial, first), (side, second) = scenes(toy_head(grid), Masks(reference, prediction, grid.affine))
    centre = (grid.affine @ [0, 12, 25, 1])[1:3]
    assert axial.name == "Axial" and first.centre[2] == pytest.approx(centre[1])
    # 4 × 4 voxels and the row of slice 25, less what both have: coronal; 2 × 4 and the row: sagittal.
    assert side.name == "Coronal" and second.centre[1] == pytest.approx(centre[0])


def test_the_field_is_about_the_structure_and_within_the_image() -> None:
    grid = toy_grid()
    masks = Masks(mask(grid, "mandible"), nowhere(grid), grid.affine)
    (_, axial), _ = scenes(toy_head(grid), masks)
    (r0, r1, a0, a1), bounds = axial.box[:4], grid.bounds
    (r, a, _), (half, _, _) = PLACES["mandible"]
    assert r1 - r0 == pytest.approx(a1 - a0) == pytest.approx(2 * half + 70, abs=4.1)
    assert (r0 + r1) / 2 == pytest.approx(r, abs=2.1)
    assert a1 == pytest.approx(bounds[3]) and a0 < a, "moved back: the mandible is near the front"


def test_millimetres_are_square_on_an_anisotropic_grid(tmp_path: Path) -> None:
    """8 mm slices: the mandible's box is 56 mm wide and 24 mm high."""
    grid = toy_grid((3.0, 3.0, 8.0))
    masks = Masks(mask(grid, "mandible"), nowhere(grid), grid.affine)
    write_disagreement(toy_head(grid), masks, WORDS, tmp_path / "o.png")
    assert scenes(toy_head(grid), masks)[1][0].name == "Coronal"
    rows, columns = drawn(tmp_path / "o.png", REFERENCE, 1)
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(56 / 24, rel=0.15)


def test_what_was_missed_has_one_outline_and_says_so(tmp_path: Path) -> None:
    grid = toy_grid()
    masks = Masks(mask(grid, "mandible"), nowhere(grid), grid.affine)
    write_disagreement(toy_head(grid), masks, replace(WORDS, prediction="nothing"), tmp_path / "o.png")
    for panel in (0, 1):
        assert drawn(tmp_path / "o.png", REFERENCE, panel)[0].size > 100
        assert drawn(tmp_path / "o.png", PREDICTION, panel)[0].size == 0
    figure = draw_disagreement(toy_head(grid), masks, replace(WORDS, prediction="nothing"))
    said = [text.get_text() for text in figure.texts]
    assert said == ["A structure", "Dice 0.12", "Reference: 1.0 ml", "Prediction: nothing"]


def test_masks_and_image_may_lie_on_grids_of_their_own(tmp_path: Path) -> None:
    grid = turned()
    masks = Masks(mask(grid, "parotid_gland_right"), nowhere(grid), grid.affine)
    for name, image in (("own", toy_head(grid)), ("other", toy_head(toy_grid((2.0, 2.0, 3.0))))):
        write_disagreement(image, masks, WORDS, tmp_path / f"{name}.png")
    own, other = (np.array(drawn(tmp_path / f"{name}.png", REFERENCE, 0)).mean(axis=1) for name in ("own", "other"))
    assert own == pytest.approx(other, abs=2)


def test_a_picture_stays_small_and_keeps_its_colours(head_neck_phantom: Phantom, tmp_path: Path) -> None:
    """Noise cannot be compressed; the outlines must survive the few greys that are left."""
    clean = head_neck_phantom.volume
    noise = np.random.default_rng(0).uniform(-200, 300, [4 * n for n in clean.shape]).astype(np.float32)
    affine = clean.affine @ np.diag([0.25, 0.25, 0.25, 1.0])
    there = head_neck_phantom.labels > 0
    masks = Masks(there, np.roll(there, 2, axis=0), clean.affine)
    for name, volume in (("clean", clean), ("noise", Volume(noise, affine, "CT"))):
        write_disagreement(volume, masks, replace(WORDS, title="All " * 40), tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size <= MOST_BYTES
        assert drawn(tmp_path / f"{name}.png", REFERENCE, 0)[0].size > 100
        assert drawn(tmp_path / f"{name}.png", PREDICTION, 0)[0].size > 100


def test_a_missing_folder(tmp_path: Path) -> None:
    grid = toy_grid()
    masks = Masks(mask(grid, "mandible"), nowhere(grid), grid.affine)
    with pytest.raises(MedVLPError, match="Cannot write"):
        write_disagreement(toy_head(grid), masks, WORDS, tmp_path / "missing" / "o.png")
    assert list(tmp_path.iterdir()) == []

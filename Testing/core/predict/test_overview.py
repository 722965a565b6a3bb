"""The picture of a result: the patient's right on the left, whatever the grid, and colours where the structures are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Testing.core.tiny import BANDS, PLACES, toy_grid, toy_head, toy_labels
from vlp3d_core.errors import MedVLPError
from vlp3d_core.predict.overview import draw_overview, write_overview
from vlp3d_core.predict.planes import VIEWS, choose_scene, cut
from vlp3d_core.predict.surface import render, view_axes
from vlp3d_core.text import concepts
from vlp3d_core.volume import Grid, Segment, Segmentation, Volume

RIGHT = 1 + list(BANDS).index("parotid_gland_right")
LEFT = 1 + list(BANDS).index("parotid_gland_left")
SKULL = 1 + list(BANDS).index("skull")
MANDIBLE = 1 + list(BANDS).index("mandible")


def segmented(grid: Grid) -> tuple[Volume, Segmentation]:
    volume, known = toy_head(grid), concepts()
    rows = []
    for value, name in enumerate(BANDS, 1):
        c = known[name]
        rows.append(Segment(value, c.id, c.name, c.color, c.category, c.type, c.modifier, 0.9, 1.0, True))
    return volume, Segmentation(toy_labels(grid), grid.affine, tuple(rows), "ct-tiny")


def turned() -> Grid:
    """The same field with axes permuted and flipped: (I, S, P) and left-handed or not, it must not matter."""
    grid = toy_grid()
    affine = np.eye(4)
    affine[:3, 0] = -grid.affine[:3, 2]
    affine[:3, 1] = grid.affine[:3, 0]
    affine[:3, 2] = -grid.affine[:3, 1]
    r, a, s = grid.shape
    affine[:3, 3] = (grid.affine @ [0, a - 1, s - 1, 1])[:3]
    return Grid((s, r, a), affine)


@pytest.mark.parametrize("grid", [toy_grid(), turned()], ids=["RAS", "turned"])
def test_radiological_convention(grid: Grid) -> None:
    volume, segmentation = segmented(grid)
    scene = replace(choose_scene(volume, segmentation), centre=(0.0, 4.0, 6.0))
    axial, coronal, sagittal = (cut(volume, segmentation, scene, view, (200, 200)) for view in VIEWS)
    for plane in (axial, coronal):
        columns = {v: np.nonzero(plane.labels == v)[1].mean() for v in (LEFT, RIGHT)}
        assert columns[RIGHT] < columns[LEFT]
        assert columns[RIGHT] == pytest.approx(plane.column(PLACES["parotid_gland_right"][0]), abs=3)
    front, back = (sagittal.labels == MANDIBLE), (sagittal.labels == SKULL)
    high = np.nonzero(sagittal.labels == 1 + list(BANDS).index("brainstem"))[0]
    low = np.nonzero(sagittal.labels == 1 + list(BANDS).index("spinal_cord"))[0]
    assert high.mean() < low.mean()
    if front.any() and back.any():
        assert np.nonzero(front)[1].mean() < np.nonzero(back)[1].mean()


def test_planes_go_through_what_was_found() -> None:
    volume, segmentation = segmented(toy_grid())
    only = replace(segmentation, labels=np.where(segmentation.labels == MANDIBLE, MANDIBLE, 0).astype(np.uint8))
    scene = choose_scene(volume, only)
    centre, half = PLACES["mandible"]
    assert all(abs(c - m) <= h for c, m, h in zip(scene.centre, centre, half, strict=True))


def test_square_pixels_on_an_anisotropic_grid() -> None:
    volume, segmentation = segmented(toy_grid((3.0, 3.0, 8.0)))
    scene = replace(choose_scene(volume, segmentation), centre=(0.0, 44.0, -8.0))
    plane = cut(volume, segmentation, scene, VIEWS[1], (200, 200))
    rows, columns = np.nonzero(plane.labels == MANDIBLE)
    wide, high = (np.ptp(columns) + 1) * plane.pixel, (np.ptp(rows) + 1) * plane.pixel
    assert wide == pytest.approx(56, abs=4)
    assert high == pytest.approx(24, abs=9)


def test_the_surface_is_seen_from_the_front_and_left() -> None:
    volume, segmentation = segmented(toy_grid())
    assert np.allclose(view_axes().T @ view_axes(), np.eye(3))
    colors = dict.fromkeys(range(1, 8), (0, 0, 255)) | {MANDIBLE: (255, 0, 0)}
    picture = render(segmentation.labels, Grid.of(volume), colors, 120)
    assert picture is not None
    red = (picture[..., 0] > 2 * picture[..., 2]) & (picture[..., 3] > 0.9)
    assert red.sum() > 50  # the mandible is in front; the skull behind it would hide it from the back
    assert 0 < (picture[..., 3] > 0.5).mean() < 0.9
    assert render(np.zeros((4, 4, 4), np.uint8), Grid((4, 4, 4), np.eye(4)), {}, 50) is None


def test_nothing_found_is_drawn_too() -> None:
    volume, segmentation = segmented(toy_grid())
    none = replace(
        segmentation,
        labels=np.zeros_like(segmentation.labels),
        segments=tuple(replace(s, found=False, volume_ml=0.0) for s in segmentation.segments),
    )
    figure = draw_overview(volume, none, "Nothing")
    said = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert "Nothing found" in said
    assert "nothing found" in said


def test_a_missing_folder(tmp_path: Path) -> None:
    volume, segmentation = segmented(toy_grid())
    with pytest.raises(MedVLPError, match="Cannot write"):
        write_overview(volume, segmentation, tmp_path / "missing" / "o.png")
    assert list(tmp_path.iterdir()) == []

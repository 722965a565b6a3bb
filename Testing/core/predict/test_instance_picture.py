"""Image, reference and what was found, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from vlp3d_core.errors import MedVLPError
from vlp3d_core.predict.instance_picture import COLORS, GAP, PANEL, TOP, Slice, draw_instances, write_instances
from vlp3d_core.predict.small_png import MOST_BYTES


@pytest.fixture
def shown() -> Slice:
    """Noise. Found: one instance; reference: another one on the patient's right, and a third in front on the left."""
    image = np.random.default_rng(0).uniform(-1, 1, (250, 200)).astype(np.float16)
    reference = np.zeros((250, 200), np.uint16)
    reference[125:] = 4
    reference[:125, 100:] = 11
    return Slice(image, reference, np.full((250, 200), 20, np.uint16), reference == 11, (8e-6, 8e-6))


def where(picture: Path, color: tuple[int, int, int], panel: int) -> tuple[float, float, int]:
    """Middle row and column of a colour in a panel, as parts of it, and how many pixels there are."""
    left = GAP + panel * (PANEL + GAP)
    pixels = imread(picture)[TOP : TOP + PANEL, left : left + PANEL, :3] * 255
    rows, columns = np.nonzero((np.abs(pixels - np.array(color)) < 2).all(axis=-1))
    return (rows.mean() / PANEL, columns.mean() / PANEL, rows.size) if rows.size else (0.0, 0.0, 0)


def test_panels_orientation_and_size(shown: Slice, tmp_path: Path) -> None:
    write_instances(shown, "Neurite, block", "VOI 1.00", tmp_path / "o.png")
    assert (tmp_path / "o.png").stat().st_size <= MOST_BYTES
    right, front, one = COLORS[4], COLORS[11], COLORS[20]
    assert [where(tmp_path / "o.png", color, 0)[2] for color in (right, front, one)] == [0, 0, 0], "the image is grey"
    row, column, count = where(tmp_path / "o.png", right, 1)
    assert column == pytest.approx(0.25, abs=0.03) and row == pytest.approx(0.5, abs=0.03) and count > 20_000
    row, column, count = where(tmp_path / "o.png", front, 1)
    assert column == pytest.approx(0.75, abs=0.03) and row < 0.4 and count > 10_000
    assert where(tmp_path / "o.png", one, 2)[2] > 40_000


def test_millimetres_are_square(shown: Slice, tmp_path: Path) -> None:
    """Half as wide as high: 250 × 200 voxels of 4 × 10 nm."""
    narrow = Slice(shown.image, shown.reference, shown.found, shown.outlined, (4e-6, 1e-5))
    write_instances(narrow, "Neurite", "VOI 1.00", tmp_path / "o.png")
    left = GAP + 2 * (PANEL + GAP)
    pixels = imread(tmp_path / "o.png")[TOP : TOP + PANEL, left : left + PANEL, :3] * 255
    rows, columns = np.nonzero((np.abs(pixels - np.array(COLORS[20])) < 2).all(axis=-1))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(0.5, abs=0.02)


def test_words_and_scale(shown: Slice) -> None:
    figure = draw_instances(shown, "Neurite, block", "VOI 1.00")
    assert [text.get_text() for text in figure.texts] == ["Neurite, block", "VOI 1.00", "Image", "Reference", "Found"]
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"0.2 µm"}, "of 2 µm in a row"


def test_a_missing_folder(shown: Slice, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="Cannot write"):
        write_instances(shown, "Neurite", "VOI 1.00", tmp_path / "missing" / "o.png")

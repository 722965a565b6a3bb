"""Draw the icons' PNG files from their SVG sources.

Run `QT_QPA_PLATFORM=offscreen .venv/bin/python docs/pictures/render_icons.py`.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

ROOT = Path(__file__).parents[2]
ICONS = (
    "Resources/Icons/MedVLP.svg",
    "MedVLPSegment/Resources/Icons/MedVLPSegment.svg",
    "MedVLPTrain/Resources/Icons/MedVLPTrain.svg",
)
EDGE = 128
"""Pixels; what Slicer's Extensions Manager asks for."""


def render(source: Path, edge: int = EDGE) -> QImage:
    image = QImage(edge, edge, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(source)).render(painter)
    painter.end()
    return image


def main() -> None:
    app = QGuiApplication([])
    for name in ICONS:
        source = ROOT / name
        render(source).save(str(source.with_suffix(".png")))
        print(source.with_suffix(".png"))
    del app


if __name__ == "__main__":
    main()

"""Draw the pictures of the panel for the documentation: `.venv/bin/python docs/pictures/render_panel.py [FOLDER]`.

They show the real `.ui` file after a real run on the sample phantom, in the host of `Testing/wiring`: Slicer's own look
is different, and the pictures say so themselves.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LABEL = "panel in the wiring host, not Slicer"
WIDTH = 450


def render(folder: Path) -> list[Path]:
    """Write panel.png and panel-advanced.png into a folder; returns their paths."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from Testing.wiring.host.application import running

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as host:
        widget = host.open()
        from MedVLPSegmentLib.Samples import addPhantom

        addPhantom()
        host.pending()
        widget.ui.segmentButton.click()
        _wait(host, widget)
        widget.ui.queryEdit.text = "parotid glands"
        host.pending()
        widget.ui.findButton.click()
        _wait(host, widget)
        pictures = [_save(host, folder / "panel.png")]
        widget.ui.cardButton.checked = True
        widget.ui.advancedCollapsibleButton.collapsed = False
        pictures.append(_save(host, folder / "panel-advanced.png"))
    return pictures


def _wait(host: Any, widget: Any) -> None:
    while widget.panel.runBar.busy:
        host.pending()
        time.sleep(0.01)
    until = time.monotonic() + 2  # the estimate comes after a pause
    while time.monotonic() < until:
        host.pending()
        time.sleep(0.01)


def _save(host: Any, path: Path) -> Path:
    """The panel as high as it wants to be, with a line below that says what the picture is."""
    from PySide6 import QtCore, QtGui

    for _ in range(2):  # labels that wrap settle their height in the second round
        host.window.resize(WIDTH, max(host.window.layout().totalHeightForWidth(WIDTH), 300))
        host.window.show()
        host.pending()
    picture = host.window.grab().toImage()
    sheet = QtGui.QImage(picture.width(), picture.height() + 24, QtGui.QImage.Format.Format_RGB32)
    sheet.fill(QtCore.Qt.GlobalColor.white)
    painter = QtGui.QPainter(sheet)
    painter.drawImage(0, 0, picture)
    painter.setPen(QtGui.QColor(90, 90, 90))
    line = QtCore.QRect(0, picture.height(), picture.width(), 24)
    painter.drawText(line, QtCore.Qt.AlignmentFlag.AlignCenter, LABEL)
    painter.end()
    if not sheet.save(str(path)):
        raise SystemExit(f"{path} could not be written.")
    return path


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for picture in render(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"):
        print(picture)

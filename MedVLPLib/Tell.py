"""A sentence in a label of the panel, coloured by its kind; an empty one takes no room."""

from __future__ import annotations

from typing import Any

STYLES = {
    "plain": "",
    "quiet": "color: #7f7f7f;",
    "good": "",
    "warning": "color: #b8860b;",
    "error": "color: #d64541;",
}
"""Readable on Slicer's light and dark themes."""


def tell(label: Any, text: str, kind: str = "plain") -> None:
    """Show a text in a QLabel; `kind` is a key of `STYLES`."""
    label.text = text
    label.styleSheet = STYLES[kind]
    label.visible = bool(text)

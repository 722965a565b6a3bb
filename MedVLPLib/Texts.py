"""Translation of the texts that a user sees: `_("The volume '{name}' is empty.").format(name=…)`.

Slicer finds the caller by itself, so `_` may be imported from here. Outside Slicer (scripts, tests) texts stay English.
"""

from __future__ import annotations

import contextlib
import sys

__all__ = ["_"]


def _(text: str) -> str:
    """The text in the user's language; English where nobody translates."""
    return text


if "slicer" in sys.modules:  # Slicer has imported itself long before any module; a plain Python need not pay for it
    with contextlib.suppress(ImportError):
        from slicer.i18n import tr as _

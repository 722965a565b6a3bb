"""File names from the names of nodes: any letters, nothing that leads out of a folder or that a system refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

LONGEST = 100
"""Bytes; endings and a number still fit into the 143 that encrypted home folders allow."""
REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def fileName(name: str, taken: Collection[str] = ()) -> str:
    """A name without an ending for a file of this node.

    Args:
        taken: names that are used already; the case of letters does not tell names apart on every system.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    text = REFUSED.sub("_", text).strip(". ")
    text = text.encode()[:LONGEST].decode(errors="ignore").strip(". ") or "volume"
    if RESERVED.fullmatch(text):
        text = f"_{text}"
    used, found, number = {one.casefold() for one in taken}, text, 2
    while found.casefold() in used:
        found, number = f"{text}-{number}", number + 1
    return found

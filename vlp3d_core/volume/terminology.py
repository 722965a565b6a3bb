"""Slicer's terminology string: what a segment is, in codes.

`context~category~type~modifier~region context~region~region modifier`; each code is `scheme^value^meaning`.
"""

from __future__ import annotations

import re

from vlp3d_core.volume.segmentation import Code, Segment

TERMINOLOGY = "Segmentation category and type - 3D Slicer General Anatomy list"
REGIONS = "Anatomic codes - DICOM master list"


def terminology_entry(segment: Segment) -> str:
    """The string for a segment's category, type and modifier."""
    triples = (segment.category, segment.type, segment.modifier or ("", "", ""))
    return "~".join([TERMINOLOGY, *map(_triple, triples), REGIONS, "^^", "^^"])


def parse_terminology(entry: str) -> tuple[Code | None, Code | None, Code | None]:
    """Category, type and modifier of such a string; None for each that it does not have."""
    parts = [*entry.split("~"), "", "", ""]
    category, kind, modifier = (_code(part) for part in parts[1:4])
    return category, kind, modifier


def _triple(code: Code) -> str:
    return "^".join(re.sub(r"[\^~|]", " ", part) for part in code)


def _code(triple: str) -> Code | None:
    parts = triple.split("^")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[1] else None

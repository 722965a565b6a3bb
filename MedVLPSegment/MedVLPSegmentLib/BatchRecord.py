"""What is known about one scan of a batch: kept beside its results, so that a batch can go on where it stopped."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlp3d_core.files import replacing
from vlp3d_core.volume.segmentation import Segmentation

ENDING = ".run.json"
COLUMNS = (
    "scan", "status", "structure", "concept", "found", "volume_ml", "score", "model", "seconds", "error", "notes",
)  # fmt: skip


@dataclass
class Record:
    """One scan.

    Attributes:
        scan: its name.
        status: "done", "kept" (from an earlier batch), "failed".
        asked: what was asked for, and of which files; the same again needs no second run.
        rows: one dict a structure.
        error: one line, "" where it worked.
    """

    scan: str
    status: str
    asked: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    seconds: float = 0.0
    error: str = ""
    notes: list[str] = field(default_factory=list)

    def take(self, segmentation: Segmentation) -> None:
        """The structures of a result, and what the user should know about it."""
        self.model = segmentation.model
        self.notes = list(dict.fromkeys([*segmentation.source.notes, *segmentation.notes]))
        self.rows = [
            {
                "structure": s.name,
                "concept": s.concept,
                "found": "yes" if s.found else "no",
                "volume_ml": round(float(s.volume_ml), 6) or float(s.volume_ml),
                "score": round(float(s.score), 6),
            }
            for s in segmentation.segments
        ]

    def write(self, path: Path) -> None:
        """Say that this scan's results are complete; written after them."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def earlierRecord(path: Path, asked: dict[str, Any], results: Iterable[Path]) -> Record | None:
    """The record of an earlier batch, when it asked for the same of the same files and its results are still there."""
    try:
        kept = Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if kept.asked != asked or kept.status == "failed" or not all(result.is_file() for result in results):
        return None
    kept.status = "kept"
    return kept


def writeRecords(records: Iterable[Record], path: Path) -> None:
    """The table of a batch: one line a structure, one line for a scan that failed."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        for record in records:
            common = {
                "scan": record.scan,
                "status": record.status,
                "model": record.model,
                "seconds": round(record.seconds, 2),
                "error": record.error,
                "notes": " ".join(record.notes),
            }
            table.writerows({**common, **row} for row in record.rows or [{}])

"""CSV tables that come with data sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.reports_csv import csv_text


def rows_of(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file that has to have these columns; cells without spaces around them, "" for missing ones.

    Raises:
        MedVLPError: the file cannot be read or lacks a column.
    """
    text, _ = csv_text(path)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = [(name or "").strip() for name in reader.fieldnames or ()]
        lacking = [column for column in columns if column not in names]
        if lacking:
            raise MedVLPError(
                f"{path} has no column {', '.join(lacking)} (it has: {', '.join(names) or 'none'}).",
                "Use the file as it was published.",
            )
        reader.fieldnames = names
        return [{key: (value or "").strip() for key, value in row.items() if key is not None} for row in reader]
    except csv.Error as error:
        raise MedVLPError(f"{path} cannot be read as CSV: {error}.", "Download it again.") from error


def flag(cell: str) -> bool | None:
    """What a cell says of a finding: "1" or "1.0" there, "0" or "0.0" not there, anything else unknown."""
    return {"1": True, "1.0": True, "0": False, "0.0": False}.get(cell)

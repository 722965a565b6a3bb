"""Reports in a CSV file, matched to volumes by name."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from vlp3d_core.errors import MedVLPError

NAMES = ("volumename", "image", "volume", "file", "filename", "subject", "patient", "study", "id", "name")
TEXTS = ("report", "text", "caption", "findings_en", "findings", "impressions_en", "impression")
"""Columns, lower case, as CT-RATE and others call them; of the texts all that are there are joined."""


class Reports:
    """The reports of a CSV file; each is given away at most once.

    Raises:
        MedVLPError: the file cannot be read, or has no columns for names and texts.
    """

    def __init__(self, path: Path) -> None:
        text, self.notes = csv_text(path)
        rows = list(csv.DictReader(io.StringIO(text)))
        columns = {(c or "").strip().lower(): c for c in (rows[0] if rows else {})}
        name = next((columns[n] for n in NAMES if n in columns), None)
        texts = [columns[t] for t in TEXTS if t in columns]
        if name is None or not texts:
            raise MedVLPError(
                f"{path} has no column for the volume or none for the report (it has: {', '.join(columns) or 'none'}).",
                f"Name one {' or '.join(NAMES[1:4])} and one {' or '.join(TEXTS[:2])}.",
            )
        self._left = {}
        for row in rows:
            text = "\n".join(section(t, row[t]) for t in texts if (row[t] or "").strip())
            if text:
                self._left[_plain(row[name] or "")] = text
            else:
                self.notes.append(f"The report of {row[name]!r} is empty.")

    def take(self, image: Path, subject: str) -> str:
        """The report of a volume, by its file name, then by its subject; "" for none."""
        for candidate in (_plain(image.name), _plain(subject)):
            if candidate in self._left:
                return self._left.pop(candidate)
        return ""

    def left(self) -> list[str]:
        """Names whose reports nobody has taken."""
        return sorted(self._left)


def csv_text(path: Path) -> tuple[str, list[str]]:
    """The text of a CSV file, and a note where it is not UTF-8.

    Raises:
        MedVLPError: it cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MedVLPError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace"), [f"{path} is not UTF-8; it was read as Windows-1252."]


def section(column: str, text: str) -> str:
    """Findings and impression keep their headings, so that they are told apart later."""
    heading = {"findings": "FINDINGS:\n", "impressi": "IMPRESSION:\n"}.get(column.strip().lower()[:8], "")
    return heading + text.strip()


def _plain(name: str) -> str:
    base = Path(name.strip().replace("\\", "/")).name.lower()
    for ending in (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm"):
        base = base.removesuffix(ending)
    return base

"""Texts of a manifest: read, corrected by hand, written back by the engine's own rules.

A caption that was corrected keeps the mark of the program that made it, with the hash of the text as it was made: the
engine tells by it that a person's words stand there, and does not write over them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vlp3d_core.train.manifest import Case, read_manifest, write_manifest


@dataclass(frozen=True)
class Caption:
    """One line: the volume, its text, whether a program wrote it, and whether a person corrected that."""

    number: int
    subject: str
    image: str
    text: str
    made: bool
    corrected: bool


class Captions:
    """The texts of one manifest.

    Raises:
        MedVLPError: it cannot be read.
    """

    def __init__(self, manifest: Path) -> None:
        self.manifest = manifest
        self._cases = read_manifest(manifest, check_files=False)

    def rows(self) -> list[Caption]:
        """One for each volume, in the manifest's order."""
        return [self._row(number, case) for number, case in enumerate(self._cases)]

    def correct(self, number: int, text: str) -> Caption:
        """Take a person's words for a volume, and save all.

        Raises:
            MedVLPError: the manifest cannot be read or written.
        """
        now = read_manifest(self.manifest, check_files=False)
        if [case.image for case in now] == [case.image for case in self._cases]:
            self._cases = now  # what a program wrote meanwhile stays
        self._cases[number] = replace(self._cases[number], report=text.strip())
        home = self.manifest.parent
        write_manifest([_near(case, home) for case in self._cases], self.manifest)
        return self._row(number, self._cases[number])

    def _row(self, number: int, case: Case) -> Caption:
        from vlp3d_core.train.captioning.maker import corrected

        return Caption(number, case.subject, case.image.name, case.report, bool(case.caption), corrected(case))


def _near(case: Case, home: Path) -> Case:
    """Paths as they were: relative where the file lies below the manifest's folder."""

    def near(path: Path) -> Path:
        return path.relative_to(home) if path.is_relative_to(home) else path

    return replace(case, image=near(case.image), label=near(case.label) if case.label is not None else None)

"""Which failures to show, and in what words: the lowest Dice, each of another structure and another patient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from vlp3d_core.evaluate.metrics import MaskScore, Status
from vlp3d_core.evaluate.summary import Row
from vlp3d_core.volume.segmentation import volume_text


@dataclass(frozen=True)
class Failure:
    """One picture of a failure, as a card keeps it.

    Attributes:
        file: name of the picture.
        structure, name: concept id, and what it is called.
        caption: what a reader should know of it.
        dice: 0 where one of the two masks is empty; None of an instance.
    """

    file: str
    structure: str
    name: str
    caption: str
    dice: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Ready for a card."""
        words = {key: value for key, value in asdict(self).items() if key != "dice"}
        return words if self.dice is None else {**words, "dice": round(self.dice, 4)}


def worst_rows(rows: Iterable[Row[MaskScore]], count: int) -> list[Row[MaskScore]]:
    """The rows with the lowest Dice, at most one for each structure and one for each patient; the worst first.

    Among structures that were missed or invented (Dice 0) the larger one is the worse one. A Dice of 1 is no failure.
    """
    failed = [row for row in rows if row.score.dice is not None and row.score.dice < 1.0]
    failed.sort(key=lambda row: (row.score.dice, -_larger(row.score), row.structure, row.case))
    worst: list[Row[MaskScore]] = []
    for row in failed:
        if len(worst) < count and all(row.structure != w.structure and row.subject != w.subject for w in worst):
            worst.append(row)
    return worst


def title_of(row: Row[MaskScore], name: str) -> str:
    """Structure and patient, and the case where that is not the same."""
    return f"{name}, {row.subject}" if row.case == row.subject else f"{name}, {row.subject}, {row.case}"


def facts_of(score: MaskScore) -> tuple[str, str]:
    """How much of the structure reference and prediction hold."""
    return _volume(score.reference_ml), _volume(score.prediction_ml)


def caption_of(row: Row[MaskScore], name: str, split: str) -> str:
    """The title with split and Dice, and what went wrong."""
    reference, prediction = facts_of(row.score)
    head = f"{title_of(row, name)} ({split}): Dice {row.score.dice:.2f}; "
    if row.score.status is Status.MISSED:
        return f"{head}nothing found of {reference}."
    if row.score.status is Status.FALSE_ALARM:
        return f"{head}{prediction} found where the reference has nothing."
    return f"{head}{prediction} found, {reference} in the reference."


def file_of(structure: str) -> str:
    """The name of a picture, for every system and for links."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", structure).lstrip("-_") + ".png"


def _larger(score: MaskScore) -> float:
    return max(score.reference_ml, score.prediction_ml)


def _volume(millilitres: float) -> str:
    return volume_text(millilitres) if millilitres else "nothing"

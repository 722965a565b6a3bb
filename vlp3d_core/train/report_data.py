"""Volumes with the pieces of their reports, to learn writing from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.reporter import PIECES
from vlp3d_core.text.report.pieces import PAD, Pieces
from vlp3d_core.train.cases import fraction
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.pretrain import pairs_in
from vlp3d_core.train.report_config import ReportConfig


def report_cases(config: ReportConfig, manifest: Path) -> tuple[list[Case], list[Case]]:
    """Training (the fraction that the settings ask for) and validation cases that have a report.

    Raises:
        MedVLPError: the manifest cannot be used, a split has no reports, or volumes are of another modality.
    """
    cases = pairs_in(manifest)
    train, validation = ([c for c in cases if c.split == split] for split in ("train", "validation"))
    for split, chosen in (("train", train), ("validation", validation)):
        if not chosen:
            raise MedVLPError(
                f"{manifest} has no volume with a report in the split {split!r}.",
                'A line needs "report" and one of the splits; training needs both "train" and "validation".',
            )
    other = sorted({c.modality for c in (*train, *validation)} - {"", config.modality})
    if other:
        raise MedVLPError(
            f"{manifest} has volumes of {', '.join(other)}, and the recipe is for {config.modality}.",
            "Leave them out, or set modality, normalisation and spacing for them.",
        )
    train = fraction(train, config.label_fraction, config.seed)
    if config.shuffle and len(train) < 2:
        raise MedVLPError("One study has no other to be shuffled with.", "Leave shuffle out, or add volumes.")
    return train, validation


def pieces_for(config: ReportConfig, reports: Sequence[str], out: Path, init: Path | None, resume: bool) -> Pieces:
    """The vocabulary of a resumed run, of the run of reports that this one starts from, or of these reports."""
    for folder in ((out,) if resume else ()) + ((init,) if init is not None else ()):
        if (folder / PIECES).is_file():
            return Pieces.read(folder / PIECES)
    return Pieces.learn(reports, config.pieces)


def numbered(reports: Sequence[str], pieces: Pieces, length: int) -> list[Tensor]:
    """The pieces of each report, the first `length` of them: one that is cut has no END."""
    return [torch.tensor(pieces.numbers(report)[:length]) for report in reports]


def join_reports(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch: image (B, 1, I, J, K), pieces (B, L) with PAD after the end, subject."""
    return {
        "image": torch.stack([item["image"] for item in items]),
        "pieces": pad_sequence([item["text"] for item in items], batch_first=True, padding_value=PAD),
        "subject": [item["subject"] for item in items],
    }

"""A report of a volume, written by a trained model."""

from __future__ import annotations

import torch

from vlp3d_core.model.reporter import SavedReporter
from vlp3d_core.predict.represent import seen_of
from vlp3d_core.volume.volume import Volume


def describe(reporter: SavedReporter, volume: Volume) -> str:
    """What the model says of the middle of what is not air, as large a piece as it saw in training.

    The same volume gives the same text. Nothing checks what it says.
    """
    image = torch.from_numpy(seen_of(reporter, volume))[None, None]
    return reporter.pieces.text(reporter.model.write(image)[0]).strip()

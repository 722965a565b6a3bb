"""Reading a map of tissues."""

from __future__ import annotations

from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.volume import Volume

MOST = 255
"""They are stored as uint8."""


def read_tissues(path: Path) -> Volume:
    """A map of tissues as a volume of whole numbers.

    Raises:
        MedVLPError: the file cannot be read, or holds something else than whole numbers from 0 to 255.
    """
    labels, affine = read_labels(path)
    if labels.max() > MOST:
        raise MedVLPError(
            f"{path} is no map of tissues: it holds values up to {labels.max()}.", f"Number the tissues 1 to {MOST}."
        )
    return Volume(labels.astype("float32"), affine)

"""A pretrained run on disk: what the network is and wants (`pretrained.json`) and its weights (safetensors)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.text.encoder import sha256_of
from vlp3d_core.volume.normalise import Normalisation

CARD, WEIGHTS = "pretrained.json", "pretrained.safetensors"


@dataclass(frozen=True)
class Pretrained:
    """A model that puts volumes and reports into one space, with what it wants to see.

    Attributes:
        model: in evaluation mode, on the CPU.
        card: method, architecture, spacing, normalisation, modality, text encoder, recipe.
    """

    model: AlignmentModel
    card: dict[str, Any]

    @property
    def spacing(self) -> tuple[float, float, float]:
        r, a, s = self.card["spacing"]
        return float(r), float(a), float(s)

    @property
    def field(self) -> tuple[int, int, int]:
        """Voxels along R, A, S that the network saw in training."""
        i, j, k = self.card["field"]
        return int(i), int(j), int(k)

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation.from_json(self.card["normalisation"])


def save_pretrained(folder: Path, weights: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Write the weights of an `AlignmentModel`, then the card with their hash; each replaces the former in one step."""
    with replacing(folder / WEIGHTS) as temporary:
        save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, temporary)
    with replacing(folder / CARD) as temporary:
        full = {**card, "sha256": sha256_of(folder / WEIGHTS)}
        temporary.write_text(json.dumps(full, indent=1), encoding="utf-8")


def load_pretrained(folder: str | Path) -> Pretrained:
    """Open a finished run.

    Raises:
        MedVLPError: no pretrained run there, or weights that are not those of its card.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        architecture = card["architecture"]
        digest = card["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedVLPError(
            f"{folder} holds no finished pretraining run.",
            "Give the --out folder of a `vlp3d pretrain` that has ended.",
        ) from error
    if not (folder / WEIGHTS).is_file() or sha256_of(folder / WEIGHTS) != digest:
        raise MedVLPError(
            f"The weights in {folder} are missing or not those of its card.", "Run the pretraining again."
        )
    model = AlignmentModel(**architecture)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise MedVLPError(f"The weights in {folder} do not fit its card.", "Run the pretraining again.") from error
    return Pretrained(model.eval(), card)

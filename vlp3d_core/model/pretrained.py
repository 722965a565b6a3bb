"""A pretrained run on disk: what the network is and wants (`pretrained.json`) and its weights (safetensors)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.saved import Sees, load_network, save_network

STEM = "pretrained"
CARD, WEIGHTS = f"{STEM}.json", f"{STEM}.safetensors"


@dataclass(frozen=True)
class Pretrained(Sees):
    """A model that puts volumes and reports into one space, with what it wants to see.

    Attributes:
        model: in evaluation mode, on the CPU.
        card: method, architecture, spacing, normalisation, modality, text encoder, recipe.
    """

    model: AlignmentModel
    card: dict[str, Any]


def save_pretrained(folder: Path, weights: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Write the weights of an `AlignmentModel`, then the card with their hash; each replaces the former in one step."""
    save_network(folder, STEM, weights, card)


def load_pretrained(folder: str | Path) -> Pretrained:
    """Open a finished run.

    Raises:
        MedVLPError: no pretrained run there, or weights that are not those of its card.
    """
    return Pretrained(*load_network(Path(folder), STEM, AlignmentModel, "pretraining run", "vlp3d pretrain"))

"""Findings from a whole volume: an encoder, its coarsest map pooled, one linear layer. And such a model on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vlp3d_core.model.alignment import mean_and_maximum
from vlp3d_core.model.encoders import Encoder, build_encoder
from vlp3d_core.model.saved import Sees, load_network, save_network

STEM = "classifier"


class Classifier(nn.Module):
    """One logit a finding, independent of each other: a volume may have several.

    Pooled by mean and maximum, as in pretraining: a small finding would drown in a mean alone.

    Args:
        findings: their names.
        encoder, encoder_options: name in `ENCODERS` and its keyword arguments.
    """

    def __init__(
        self,
        findings: Sequence[str],
        encoder: str = "residual-unet",
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.findings = tuple(findings)
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        self.head = nn.Linear(2 * self.encoder.channels[-1], len(self.findings))

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    def features(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised images → (B, 2C)."""
        return mean_and_maximum(self.encoder(image)[-1].float())

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) → logits (B, F)."""
        return self.head(self.features(image))


@dataclass(frozen=True)
class SavedClassifier(Sees):
    """A classifier with what it wants to see.

    Attributes:
        model: in evaluation mode, on the CPU.
        card: task, mode, architecture, spacing, field, normalisation, modality, recipe.
    """

    model: Classifier
    card: dict[str, Any]


def save_classifier(folder: Path, model: Classifier, card: dict[str, Any]) -> None:
    """Write `classifier.safetensors` and `classifier.json`."""
    save_network(folder, STEM, model.state_dict(), card)


def load_classifier(folder: str | Path) -> SavedClassifier:
    """Open a finished run.

    Raises:
        MedVLPError: no classifier there, or weights that are not those of its card.
    """
    return SavedClassifier(*load_network(Path(folder), STEM, Classifier, "classifier", "vlp3d finetune"))

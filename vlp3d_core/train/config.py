"""Settings of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.settings import RunSettings, load_settings, require
from vlp3d_core.train.synthesis.settings import synthesis_of
from vlp3d_core.train.variation import variation_of

MOST_CONCEPTS = 255
"""Label maps on disk are uint8."""


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(RunSettings):
    """Everything that decides a fine-tuning run, beyond `RunSettings`.

    Attributes:
        task: "segmentation"; recipes of other tasks have other settings, see `train.tasks`.
        name: of the resulting model.
        title, description, licence, data, limits: for the model's card.
        concepts: structures to learn, by concept id.
        dimension: of the embedding of a voxel, see `VisionLanguageModel`.
        text_rank: of the projection of texts, see `VisionLanguageModel`.
        label_fraction: use only this part of the training subjects; 0.1 is a tenth.
        postprocess: concept → settings of the clean-up at inference; "default" is for all.
        anchors, anchor_score: structures of which at least one must be found, with at least this mean probability,
            else the volume does not show the model's region.
        splits: split → its subjects, for the importer that makes the manifest.
        variation: what is done to scans beyond the usual, see `train.variation`; for few patients.
        synthesis: how images are made from maps of tissues, see `train.synthesis.settings`; {} for a manifest of scans.
    """

    name: str
    concepts: tuple[str, ...]
    task: str = "segmentation"
    title: str = ""
    description: str = ""
    licence: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    dimension: int = 32
    text_rank: int = 64
    ema: float = 0.995
    label_fraction: float = 1.0
    postprocess: dict[str, dict[str, Any]] = field(default_factory=dict)
    anchors: tuple[str, ...] = ()
    anchor_score: float = 0.0
    splits: dict[str, list[str]] = field(default_factory=dict)
    variation: dict[str, Any] = field(default_factory=dict)
    synthesis: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.strategy != "fsdp", "strategy", "can be fsdp in pretraining only")
        require(self.task == "segmentation", "task", "must be segmentation")
        for name in ("dimension", "text_rank", "label_fraction"):
            require(getattr(self, name) > 0, name, "must be above 0")
        require(self.label_fraction <= 1, "label_fraction", "must not be above 1")
        require(0 < len(self.concepts) <= MOST_CONCEPTS, "concepts", f"must have 1 to {MOST_CONCEPTS} entries")
        require(len(set(self.concepts)) == len(self.concepts), "concepts", "names a structure twice")
        unknown = sorted(set(self.concepts) - set(concepts()))
        require(not unknown, "concepts", f"has names that are not concepts: {', '.join(unknown)}")
        for name in ("anchors", "postprocess"):
            strange = sorted(set(getattr(self, name)) - {*self.concepts, *(("default",) if name != "anchors" else ())})
            require(not strange, name, f"names structures that are not in concepts: {', '.join(strange)}")
        variation_of(self.variation, self.spacing)
        synthesis_of(self.synthesis, self.spacing, self.normalisation, self.concepts)


def load_config(recipe: str | Path, overrides: Sequence[str] = ()) -> FinetuneConfig:
    """A fine-tuning recipe by name or path; raises what `load_settings` raises."""
    return load_settings(FinetuneConfig, recipe, overrides)

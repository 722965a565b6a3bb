"""Settings of a pretraining run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlp3d_core.errors import UsageError
from vlp3d_core.train.plan import PERCENTILES
from vlp3d_core.train.settings import RECIPES, RunSettings, changes, choice, load_settings, require

METHODS = ("gtgm", "t3d", "mg3d")
OBJECTIVES = ("clip", "tcl", "tir", "tma")
SIZES = ("small", "base", "paper")
CONTRASTS = ("info-nce", "siglip")
SHUFFLES = ("", "images", "captions")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(RunSettings):
    """Everything that decides a pretraining run, beyond `RunSettings`.

    Attributes:
        method: "gtgm", "t3d" or "mg3d".
        objectives: of T3D: clip, tcl, tir, tma; see `train.t3d`.
        data_fraction: use only this part of the training subjects; smaller parts lie within larger ones.
        dimension: of the space that images and texts share.
        contrast: how volumes and reports are drawn together: "info-nce", or "siglip" for large batches.
        temperature: of InfoNCE; a lower one looks at the most alike pairs only.
        barlow_weight: of the Barlow Twins term.
        barlow_off_diagonal: weight of that term's off-diagonal part.
        standardise: see `losses.barlow_twins`.
        clip_weight: of MG-3D's additional CLIP term, see `train.mg3d`.
        shuffle: a control: "images" or "captions" gives every study the image or the text of another one, the same one
            throughout the run; then nothing true can be learned about pairs.
    """

    method: str
    objectives: tuple[str, ...] = ()
    data_fraction: float = 1.0
    dimension: int = 512
    contrast: str = choice("info-nce", CONTRASTS)
    temperature: float = 0.07
    barlow_weight: float = 0.01
    barlow_off_diagonal: float = 0.0051
    standardise: bool = True
    clip_weight: float = 1.0
    shuffle: str = ""

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.method in METHODS, "method", f"must be one of {', '.join(METHODS)}")
        strange = sorted(set(self.objectives) - set(OBJECTIVES))
        require(not strange, "objectives", f"can have {', '.join(OBJECTIVES)}, not {', '.join(strange)}")
        require((self.method == "t3d") == bool(self.objectives), "objectives", "is for t3d, which needs one at least")
        require(self.batch > 1, "batch", "must be above 1: a pair is told from the others of its batch")
        require(self.dimension > 0, "dimension", "must be above 0")
        require(0 < self.data_fraction <= 1, "data_fraction", "must be above 0 and not above 1")
        require(self.temperature > 0, "temperature", "must be above 0")
        for name in ("barlow_weight", "barlow_off_diagonal", "clip_weight"):
            require(getattr(self, name) >= 0, name, "must not be negative")
        require(self.shuffle in SHUFFLES, "shuffle", "must be images or captions, or left out")


def load_pretrain_config(method: str, recipe: str | Path = "small", overrides: Sequence[str] = ()) -> PretrainConfig:
    """The recipe of a method: a size ("small"), or a YAML file of one's own.

    A modality among the overrides brings its normalisation along: a recipe's window of HU means nothing for MR.

    Raises:
        UsageError: an unknown method or recipe, or a setting that makes no sense.
    """
    if method not in METHODS:
        raise UsageError(f"There is no pretraining method {method!r}.", f"Choose one of: {', '.join(METHODS)}.")
    if str(recipe) in SIZES:
        path = RECIPES / f"{method}-{recipe}.yaml"
        if not path.is_file():
            there = ", ".join(size for size in SIZES if (RECIPES / f"{method}-{size}.yaml").is_file())
            raise UsageError(f"{method} has no recipe {str(recipe)!r} yet.", f"Choose {there}, or give a YAML file.")
        recipe = path
    config = load_settings(PretrainConfig, recipe, [*_scale(overrides), *overrides])
    if config.method != method:
        raise UsageError(f"The recipe {recipe} is for {config.method}, not for {method}.", "Choose another recipe.")
    return config


def _scale(overrides: Sequence[str]) -> list[str]:
    """The normalisation of a modality without a scale of its own; an override of it comes later and counts."""
    modality = changes(overrides).get("modality")
    if modality not in PERCENTILES:
        return []
    low, high = PERCENTILES[modality]
    return [f"normalisation={{kind: percentile, low: {low}, high: {high}}}"]

"""Settings of a training run, read from a recipe (YAML) and `key=value` overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from vlp3d_core.errors import UsageError
from vlp3d_core.text.concepts import concepts

RECIPES = Path(str(files("vlp3d_core"))) / "train" / "recipes"
PRECISIONS = ("auto", "bf16-mixed", "16-mixed", "32-true", "bf16-true")
MOST_CONCEPTS = 255
"""Label maps on disk are uint8."""


@dataclass(frozen=True)
class FinetuneConfig:
    """Everything that decides a fine-tuning run. Shapes are in voxels along R, A, S; spacing in mm.

    Attributes:
        name: of the resulting model.
        title, description, licence, data, limits: for the model's card.
        concepts: structures to learn, by concept id.
        spacing, normalisation, modality: what the model wants to see.
        encoder, encoder_options, dimension, text_rank: the network, see `VisionLanguageModel`.
        patch, batch, steps, validate_every: one step is one batch of patches.
        learning_rate, weight_decay, warmup: AdamW with linear warm-up and cosine decay to zero.
        ema: decay of the averaged weights, which are the ones that are validated and kept; 0 switches it off.
        precision: Lightning's name; "auto" is "bf16-mixed" where the hardware computes in bfloat16 (several times
            faster) and "32-true" elsewhere (emulated bfloat16 is a hundred times slower).
        workers: data-loading processes.
        seed: of weights, patches and augmentation.
        label_fraction: use only this part of the training subjects.
        postprocess: concept → settings of the clean-up at inference; "default" is for all.
        anchors, anchor_score: structures of which at least one must be found, with at least this mean probability,
            else the volume does not show the model's region.
        splits: split → its subjects, for the importer that makes the manifest.
    """

    name: str
    concepts: tuple[str, ...]
    spacing: tuple[float, float, float]
    normalisation: dict[str, Any]
    modality: str
    title: str = ""
    description: str = ""
    licence: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    encoder: str = "residual-unet"
    encoder_options: dict[str, Any] = field(default_factory=dict)
    dimension: int = 32
    text_rank: int = 64
    patch: tuple[int, int, int] = (64, 64, 64)
    batch: int = 4
    steps: int = 1000
    validate_every: int = 250
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 50
    ema: float = 0.995
    precision: str = "auto"
    workers: int = 0
    seed: int = 0
    label_fraction: float = 1.0
    postprocess: dict[str, dict[str, Any]] = field(default_factory=dict)
    anchors: tuple[str, ...] = ()
    anchor_score: float = 0.0
    splits: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        positive = ("dimension", "text_rank", "batch", "steps", "validate_every", "learning_rate", "label_fraction")
        for name in positive:
            _require(getattr(self, name) > 0, name, "must be above 0")
        for name in ("weight_decay", "warmup", "ema", "workers", "seed"):
            _require(getattr(self, name) >= 0, name, "must not be negative")
        _require(self.ema < 1, "ema", "must be below 1")
        _require(self.label_fraction <= 1, "label_fraction", "must not be above 1")
        _require(self.precision in PRECISIONS, "precision", f"must be one of {', '.join(PRECISIONS)}")
        _require(min(self.spacing) > 0, "spacing", "must be above 0")
        _require(min(self.patch) > 0, "patch", "must be above 0")
        _require(0 < len(self.concepts) <= MOST_CONCEPTS, "concepts", f"must have 1 to {MOST_CONCEPTS} entries")
        _require(len(set(self.concepts)) == len(self.concepts), "concepts", "names a structure twice")
        unknown = sorted(set(self.concepts) - set(concepts()))
        _require(not unknown, "concepts", f"has names that are not concepts: {', '.join(unknown)}")
        for name in ("anchors", "postprocess"):
            strange = sorted(set(getattr(self, name)) - {*self.concepts, *(("default",) if name != "anchors" else ())})
            _require(not strange, name, f"names structures that are not in concepts: {', '.join(strange)}")

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, as a run folder and a model card keep them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def load_config(recipe: str | Path, overrides: Sequence[str] = ()) -> FinetuneConfig:
    """Read a recipe by its name in `train/recipes` or by its path, and apply `key=value` overrides.

    Raises:
        UsageError: no such recipe, unknown key, or a value of the wrong kind.
    """
    path = Path(recipe)
    if not path.is_file():
        path = RECIPES / f"{recipe}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise UsageError(f"There is no recipe {str(recipe)!r}.", f"Give a YAML file or one of: {known}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} is not valid YAML: {error}.", "Correct the file.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} is not a recipe.", "A recipe is a YAML mapping.")
    return _checked({**values, **dict(_override(item) for item in overrides)}, path)


def _override(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise UsageError(f"{item!r} is not an override.", "Write key=value.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"{value!r} is not a value for {key}.", "Write it as in a YAML file.") from error


def _checked(values: dict[str, Any], path: Path) -> FinetuneConfig:
    known = {f.name: f for f in fields(FinetuneConfig)}
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise UsageError(f"{path} has unknown settings: {', '.join(unknown)}.", f"Known are: {', '.join(known)}.")
    missing = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in values]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}.", "Add them.")
    hints = get_type_hints(FinetuneConfig)
    return FinetuneConfig(**{name: _as(hints[name], value, name) for name, value in values.items()})


def _as(hint: Any, value: Any, name: str) -> Any:
    """The value as the type that the field is declared with: lists become tuples, whole numbers fit where floats do.

    Raises:
        UsageError: it is something else.
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is float and isinstance(value, str):
        value = _number(value)
    if kind is Any:
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, list) and (inner[-1] is ... or len(inner) == len(value)):
        return tuple(_as(inner[0], item, name) for item in value)
    if kind is list and isinstance(value, list):
        return [_as(inner[0], item, name) for item in value]
    if kind is dict and isinstance(value, dict):
        return {_as(inner[0], key, name): _as(inner[1], item, name) for key, item in value.items()}
    if kind in (str, int, float) and isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise UsageError(f"The setting {name} cannot be {value!r}.", f"It is {_described(hint)}.")


def _number(text: str) -> float | str:
    """YAML takes 2e-3 for a text."""
    try:
        return float(text)
    except ValueError:
        return text


def _described(hint: Any) -> str:
    inner = get_args(hint)
    if get_origin(hint) is tuple and inner[-1] is not ...:
        return f"a list of {len(inner)} numbers"
    names = {int: "a whole number", float: "a number", str: "a text", dict: "a mapping"}
    return names.get(get_origin(hint) or hint, "a list")


def _require(holds: bool, name: str, otherwise: str) -> None:
    if not holds:
        raise UsageError(f"The setting {name} {otherwise}.", "Correct the recipe.")

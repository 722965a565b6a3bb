"""Settings of a run as a dataclass: read from a recipe (YAML) and `key=value` overrides, checked, written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from vlp3d_core.errors import UsageError

RECIPES = Path(str(files("vlp3d_core"))) / "train" / "recipes"
ENCODERS = ("residual-unet", "swin-unetr", "resnet-50")
"""Those of `model.encoders`, which needs torch."""
PRECISIONS = ("auto", "bf16-mixed", "16-mixed", "32-true", "bf16-true")
STRATEGIES = ("auto", "ddp", "fsdp")


def choice(default: str, names: Sequence[str]) -> Any:
    """A field whose value is one of the names."""
    return field(default=default, metadata={"choices": tuple(names)})


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What every training run decides, whatever it trains. Shapes are in voxels along R, A, S; spacing in mm.

    Attributes:
        spacing: the voxel size that volumes are brought to; a finer one shows more and costs more.
        normalisation: of raw values, see `volume.normalise`.
        modality: CT, MR, EM or PT; a network learns one.
        encoder: the network that looks at the image; an override of it starts from that one's own options.
        encoder_options: of the encoder, see `model.encoders`.
        patch: the piece of a volume that the network sees at once.
        batch: pieces or pairs a step; fewer need less memory.
        steps: changes of the weights.
        validate_every: steps between two validations.
        accumulate: batches a step, one after the other, whose gradients are averaged: memory for one of them is enough.
            A contrastive loss still tells a pair only from those of its own batch.
        learning_rate: the highest one, of AdamW with linear warm-up and cosine decay to zero.
        weight_decay: of AdamW.
        warmup: steps until the learning rate is at its highest.
        clip_norm: a step's gradient is shortened to this length; 0 leaves it alone.
        ema: decay of the averaged weights, which are the ones that are validated and kept; 0 switches it off.
        precision: Lightning's name; "auto" is "bf16-mixed" where the hardware computes in bfloat16 (several times
            faster) and "32-true" elsewhere (emulated bfloat16 is a hundred times slower).
        activation_checkpointing: forget what the encoder's stages computed and compute it again for the gradient: about
            a third more time for a fraction of the memory.
        log_every: steps between two rows of the metrics; a validation has a row of its own.
        checkpoint_minutes: write a checkpoint that often, besides those at each validation; 0 leaves it at those.
        devices: processes on each computer, one a GPU. A batch is that of one process: two processes with a batch of 8
            train as one with 16 would.
        nodes: computers.
        strategy: "ddp" keeps the whole model in each process, "fsdp" (CUDA) shares it out; "auto" is "ddp".
        workers: data-loading processes, for each process that trains.
        seed: of weights, patches and augmentation; the same seed gives the same run.
    """

    spacing: tuple[float, float, float]
    normalisation: dict[str, Any]
    modality: str
    encoder: str = choice("residual-unet", ENCODERS)
    encoder_options: dict[str, Any] = field(default_factory=dict)
    patch: tuple[int, int, int] = (64, 64, 64)
    batch: int = 4
    steps: int = 1000
    validate_every: int = 250
    log_every: int = 20
    accumulate: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 50
    clip_norm: float = 1.0
    ema: float = 0.0
    precision: str = choice("auto", PRECISIONS)
    activation_checkpointing: bool = False
    checkpoint_minutes: float = 30.0
    devices: int = 1
    nodes: int = 1
    strategy: str = choice("auto", STRATEGIES)
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        above_zero = (
            "batch",
            "steps",
            "validate_every",
            "log_every",
            "accumulate",
            "learning_rate",
            "devices",
            "nodes",
        )
        for name in above_zero:
            require(getattr(self, name) > 0, name, "must be above 0")
        for name in ("weight_decay", "warmup", "clip_norm", "ema", "checkpoint_minutes", "workers", "seed"):
            require(getattr(self, name) >= 0, name, "must not be negative")
        require(self.ema < 1, "ema", "must be below 1")
        for one in fields(self):
            if names := one.metadata.get("choices"):
                require(getattr(self, one.name) in names, one.name, f"must be one of {', '.join(names)}")
        if self.strategy == "fsdp":
            require(self.processes > 1, "strategy", "can be fsdp for more than one process only; see devices")
            require(not self.ema, "ema", "must be 0 with the strategy fsdp: no process has all weights to average")
            require(not self.clip_norm, "clip_norm", "must be 0 with the strategy fsdp: Lightning cannot clip there")
        require(min(self.spacing) > 0, "spacing", "must be above 0")
        require(min(self.patch) > 0, "patch", "must be above 0")

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.devices * self.nodes

    @property
    def items_a_step(self) -> int:
        """Of all processes."""
        return self.batch * self.accumulate * self.processes

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, as a run folder and a model card keep them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


Settings = TypeVar("Settings", bound=RunSettings)
Values = TypeVar("Values", bound=Any)


def load_settings(kind: type[Settings], recipe: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a recipe by its name in `train/recipes` or by its path, and apply `key=value` overrides.

    Raises:
        UsageError: no such recipe, unknown key, or a value of the wrong kind.
    """
    values, path = recipe_values(recipe, overrides)
    return checked(kind, values, path)


def recipe_values(recipe: str | Path, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], Path]:
    """The settings of a recipe with `key=value` overrides, unchecked, and its file.

    Raises:
        UsageError: no such recipe, or no YAML mapping.
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
    return {**values, **changes(overrides, values)}, path


def _override(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise UsageError(f"{item!r} is not an override.", "Write key=value.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"{value!r} is not a value for {key}.", "Write it as in a YAML file.") from error


def changes(overrides: Sequence[str], values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`key=value` words as settings, unchecked; raises UsageError for a word that is none.

    `synthesis.noise=0` changes one entry of a setting that is a mapping. Options fit one encoder: another one starts
    from its own.

    Args:
        values: the settings that are changed.
    """
    found: dict[str, Any] = {}
    for key, value in map(_override, overrides):
        setting, point, entry = key.partition(".")
        before = found.get(setting, (values or {}).get(setting, {}))
        if point and not isinstance(before, dict):
            raise UsageError(f"{setting} has no entries, so that {key} cannot be changed.", f"Write {setting}=VALUE.")
        found[setting] = {**before, entry: value} if point else value
    return {"encoder_options": {}, **found} if "encoder" in found else found


def checked(kind: type[Values], values: Mapping[str, Any], path: Path | str) -> Values:
    """Plain values, as YAML and JSON have them, as a dataclass of settings.

    Args:
        path: what messages call the place where they stand.

    Raises:
        UsageError: an unknown or missing setting, or a value of the wrong kind or without sense.
    """
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise UsageError(f"{path} has unknown settings: {', '.join(unknown)}.", f"Known are: {', '.join(known)}.")
    missing = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in values]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}.", "Add them.")
    hints = get_type_hints(kind)
    return kind(**{name: _as(hints[name], value, name) for name, value in values.items()})


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
    if kind in (str, int, float, bool) and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
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
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a mapping"}
    return names.get(get_origin(hint) or hint, "a list")


def require(holds: bool, name: str, otherwise: str) -> None:
    """Raise UsageError unless a setting holds."""
    if not holds:
        raise UsageError(f"The setting {name} {otherwise}.", "Correct the recipe.")

"""What a job shall do, as data: read from JSON, checked against `job_spec.schema.json`, written again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError, UsageError

FORMAT = 1
SCHEMA = Path(__file__).with_name("job_spec.schema.json")
MAX_BYTES = 4_000_000
PATHS = ("init", "model", "checkpoint", "predictions", "vlm")
"""Options whose value may be a path; one that names nothing here is a model's name."""
HELP = "docs/jobs.md shows a job of each kind."
Value = str | int | float | bool


@dataclass(frozen=True)
class Resources:
    """What a job needs.

    Attributes:
        gpus: 0 is the CPU; None a GPU where there is one.
        memory_gb: free memory (10⁹ bytes) that the start waits for, of the GPU or of the computer; None leaves it to
            the target.
        stop_seconds: time to save after a request to stop.
    """

    gpus: int | None = None
    memory_gb: float | None = None
    stop_seconds: float = 120.0


@dataclass(frozen=True)
class JobSpec:
    """One `vlp3d` command that shall run in a job's folder; `command.arguments` writes it down.

    Attributes:
        kind: "pretrain", "finetune", "evaluate", "preprocess" (every file of the manifest is opened and checked) or
            "caption".
        manifest: absolute in a spec that was read from a file.
        name: for people.
        target: "local" or "slurm:PROFILE".
        method: of pretraining ("gtgm", …) or evaluation ("segmentation", …); "" elsewhere.
        recipe: name or file; "" is the command's default.
        overrides: `key=value`, as they are typed.
        options: of the command, by long name; True is a flag.
    """

    kind: str
    manifest: str
    name: str = ""
    target: str = "local"
    method: str = ""
    recipe: str = ""
    overrides: tuple[str, ...] = ()
    options: Mapping[str, Value] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)

    def to_json(self) -> dict[str, Any]:
        """As a spec file holds it; what is not said is left out."""
        needs = {"gpus": self.resources.gpus, "memory_gb": self.resources.memory_gb}
        resources = {key: value for key, value in needs.items() if value is not None}
        resources["stop_seconds"] = self.resources.stop_seconds
        texts = {key: getattr(self, key) for key in ("name", "method", "recipe")}
        return {
            "format": FORMAT,
            "kind": self.kind,
            "manifest": self.manifest,
            "target": self.target,
            **{key: text for key, text in texts.items() if text},
            **({"overrides": list(self.overrides)} if self.overrides else {}),
            **({"options": dict(self.options)} if self.options else {}),
            "resources": resources,
        }


def read_spec(path: str | Path) -> JobSpec:
    """The spec in a file; its paths become absolute, relative ones from the file's folder.

    Raises:
        MedVLPError: the file cannot be read, or is no spec, or one of a newer version.
    """
    path = Path(path).absolute()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MedVLPError(f"{path} is too large for a job.", "Name a job's JSON file.")
        value = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_not_json)
    except OSError as error:
        raise MedVLPError(f"Cannot read the job {path}: {error.strerror}.", "Name a job's JSON file.") from error
    except (ValueError, RecursionError) as error:
        raise MedVLPError(f"The job {path} is not JSON: {error}.", f"Correct the file: {HELP}") from error
    return at_home(parse_spec(value, str(path)), path.parent)


def parse_spec(value: Any, where: str = "The job") -> JobSpec:
    """The spec that a JSON value holds; paths stay as they are.

    Args:
        where: names the source in errors.

    Raises:
        UsageError: it is no spec, with the place and what is wrong there; or one of a newer version.
    """
    found = value.get("format", FORMAT) if isinstance(value, dict) else FORMAT
    if isinstance(found, int) and found > FORMAT:
        raise UsageError(
            f"{where} has the format {found}, and this version of MedVLP knows up to {FORMAT}.", "Update vlp3d-core."
        )
    problem = _first_problem(value)
    if problem:
        raise UsageError(f"{where} cannot be used: {problem}.", HELP)
    overrides = value.get("overrides", [])
    if isinstance(overrides, dict):
        # Every JSON value is YAML, which is what the command reads.
        overrides = [f"{key}={json.dumps(item, ensure_ascii=False)}" for key, item in overrides.items()]
    texts = {key: value[key] for key in ("name", "target", "method", "recipe") if key in value}
    return JobSpec(
        value["kind"],
        value["manifest"],
        **texts,
        overrides=tuple(overrides),
        options=dict(value.get("options", {})),
        resources=Resources(**value.get("resources", {})),
    )


def at_home(spec: JobSpec, folder: Path) -> JobSpec:
    """The spec with absolute paths, relative ones from `folder`."""
    recipe = folder / spec.recipe
    there = {key: str(folder / str(value)) for key, value in spec.options.items() if key in PATHS}
    return replace(
        spec,
        manifest=str(folder / spec.manifest),
        recipe=str(recipe) if spec.recipe and _exists(recipe) and recipe.is_file() else spec.recipe,
        options={**spec.options, **{key: path for key, path in there.items() if _exists(Path(path))}},
    )


def _first_problem(value: Any) -> str:
    """What is wrong, in words; "" where nothing is."""
    from jsonschema.exceptions import best_match

    if text := _unusable_text(value):
        return f"{text!r} has characters that no file name or command can have"
    error = best_match(_validator().iter_errors(value))
    if error is None:
        return ""
    place = "/".join(str(part) for part in error.absolute_path)
    if error.validator == "not":  # a key that this kind of job does not have
        return f"{place!r} means nothing with the kind {value['kind']!r}"
    message = " ".join(str(error.message).split())[:300].rstrip(".")
    return f"{place}: {message}" if place else message


def _unusable_text(value: Any) -> str:
    """The first text with control characters or halves of characters, at any depth."""
    if isinstance(value, str):
        bad = any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 or ord(c) == 127 for c in value)
        return value if bad else ""
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return next((text for item in items if (text := _unusable_text(item))), "")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file could have
        return False


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""MONAI's configuration files as plain data: nothing in them is evaluated.

A config of MONAI may hold Python (`$…`) and calls (`_target_`). What is read here is numbers, words and lists, and
plain references (`@spacing`, `@network_def::channels`) to such; anything else is refused where it is needed, and is not
looked at where it is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError

MAX_BYTES = 4_000_000
DEEPEST = 20
NO_CODE = "Write the value itself in its place: nothing in a config is executed here."


class Config:
    """One configuration file.

    Args:
        path: JSON, or YAML.

    Raises:
        MedVLPError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.data = _read(path)

    def get(self, key: str, default: Any = None) -> Any:
        """The plain value of a top-level key, references followed.

        Raises:
            MedVLPError: it holds an expression, or a reference that leads nowhere or in a circle.
        """
        return self.plain(self.data[key], key) if key in self.data else default

    def plain(self, value: Any, where: str, depth: int = 0) -> Any:
        """The value with its references replaced; `where` is named in messages."""
        if depth > DEEPEST:
            raise MedVLPError(f"{where} in {self.name} refers to itself or is nested too deeply.", NO_CODE)
        if isinstance(value, str):
            return self._word(value, where, depth)
        if isinstance(value, list):
            return [self.plain(item, where, depth + 1) for item in value]
        if isinstance(value, dict):
            return {str(key): self.plain(item, f"{where}::{key}", depth + 1) for key, item in value.items()}
        return value

    def _word(self, value: str, where: str, depth: int) -> Any:
        text = value.strip()
        if text.startswith(("$", "%")) or "_target_" in text:
            raise MedVLPError(f"{where} in {self.name} is the expression {text[:80]!r}.", NO_CODE)
        if not text.startswith("@"):
            return value
        target: Any = self.data
        for step in re.split("::|#", text[1:]):
            if isinstance(target, Mapping) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            else:
                raise MedVLPError(f"{where} in {self.name} refers to {text[:80]!r}, which is not there.", NO_CODE)
        return self.plain(target, where, depth + 1)


def target_of(item: Any) -> str:
    """The name of a transform or class without its module, `…D` and `…Dict` written as `…d`: "ScaleIntensityRanged"."""
    target = str(item.get("_target_", "")) if isinstance(item, dict) else ""
    name = target.rpartition(".")[2]
    if target not in (name, f"monai.transforms.{name}", f"monai.networks.nets.{name}", f"monai.inferers.{name}"):
        return target
    return re.sub(r"(?<=[a-z])(D|Dict)$", "d", name)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MedVLPError(f"{path.name} is too large for a configuration.", "Ask for a correct one.")
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            data = json.loads(text)
        else:
            import yaml

            data = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError) as error:
        raise MedVLPError(f"{path.name} cannot be read: it is no JSON.", "Ask for a correct one.") from error
    except ImportError:
        raise
    except Exception as error:  # yaml's errors have a base that is only there when yaml is
        raise MedVLPError(f"{path.name} cannot be read: it is no YAML.", "Ask for a correct one.") from error
    if not isinstance(data, dict):
        raise MedVLPError(f"{path.name} is no configuration.", "Ask for a correct one.")
    return data

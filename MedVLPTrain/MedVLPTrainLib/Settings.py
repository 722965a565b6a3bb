"""The settings of each method that stand in the form, as the engine describes them. No Qt, no torch, no YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import UsageError

PLACES = 3
"""Of patch and spacing: along right, anterior, superior."""


@dataclass(frozen=True)
class Setting:
    """One field.

    Attributes:
        name, kind, help, choices: see `vlp3d_core.train.forms`.
    """

    name: str
    kind: str
    help: str
    choices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return "EMA" if self.name == "ema" else self.name.replace("_", " ").capitalize()

    @property
    def hint(self) -> str:
        """For the tooltip."""
        places = {
            "integers": _("Voxels along right, anterior, superior: 64, 64, 48."),
            "numbers": _("mm along right, anterior, superior: 1, 1, 2.5."),
        }
        return " ".join(filter(None, (self.help, places.get(self.kind, ""), _("Empty: as the recipe says."))))


def settingsOf(method: str) -> tuple[Setting, ...]:
    """In the order of the form."""
    return tuple(Setting(**{**one, "choices": tuple(one["choices"])}) for one in _forms()[method]["settings"])


def recipesOf(method: str) -> tuple[str, ...]:
    """The sizes that there are for a method."""
    return tuple(_forms()[method]["recipes"])


def recipeSays(method: str, size: str) -> dict[str, str]:
    """Setting → what the recipe says of it, as one would type it."""
    values = _forms()[method]["recipes"].get(size, {})
    return {name: _("planned from the data") if value is None else typed(value) for name, value in values.items()}


def typed(value: Any) -> str:
    """A value of a recipe or an override as one would type it."""
    if isinstance(value, str):
        return ", ".join(part.strip(" '\"") for part in value.strip("[] ").split(",")) if value[:1] == "[" else value
    if isinstance(value, list):
        return ", ".join(map(typed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def override(setting: Setting, text: str) -> str:
    """What was typed as the value of an override; whether it makes sense, the engine says.

    Raises:
        UsageError: it is not three numbers where three are needed.
    """
    if setting.kind == "number":
        return text.replace(",", ".")
    if setting.kind == "texts":
        return f"[{', '.join(part.strip() for part in re.split('[,; ]+', text) if part.strip())}]"
    if setting.kind not in ("integers", "numbers"):
        return text
    parts = [part for part in re.split(r"[\s,;x×\[\]]+", text) if part]
    parts = parts * PLACES if len(parts) == 1 else parts
    if len(parts) != PLACES or not all(re.fullmatch(r"\d+(\.\d+)?", part) for part in parts):
        raise UsageError(
            _("'{text}' is no {setting}.").format(text=text, setting=setting.title.lower()),
            _("Write three numbers: 64, 64, 48."),
        )
    return f"[{', '.join(parts)}]"


def readLines(text: str) -> dict[str, str]:
    """Key → value of `key=value` lines that `writeLines` made."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)  # type: ignore[misc]


def writeLines(values: Mapping[str, str]) -> str:
    """One `key=value` a line; what is empty is left out."""
    return "\n".join(f"{name}={' '.join(value.split())}" for name, value in values.items() if value.strip())


@cache
def _forms() -> dict[str, Any]:
    forms: dict[str, Any] = json.loads(files("vlp3d_core.train").joinpath("forms.json").read_text(encoding="utf-8"))
    return forms

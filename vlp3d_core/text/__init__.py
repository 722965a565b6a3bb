"""Words in: concepts (names, synonyms, codes), prompt parsing, phrases and the text encoder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy: `concepts` is the name of its module too, which an import of the module would put in its place.
from vlp3d_core.text.concepts import Concept, Group, concepts, groups

if TYPE_CHECKING:
    from vlp3d_core.text.prompt import Prompt, parse_prompt

__all__ = ["Concept", "Group", "Prompt", "concepts", "groups", "parse_prompt"]

_HOMES = {"Prompt": "prompt", "parse_prompt": "prompt"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

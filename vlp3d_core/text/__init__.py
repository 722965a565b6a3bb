"""Words in: concepts (names, synonyms, codes), prompt parsing, phrases and the text encoder."""

from __future__ import annotations

from vlp3d_core.text.concepts import Concept, Group, concepts, groups
from vlp3d_core.text.prompt import Prompt, parse_prompt

__all__ = ["Concept", "Group", "Prompt", "concepts", "groups", "parse_prompt"]

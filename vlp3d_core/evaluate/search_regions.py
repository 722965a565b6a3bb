"""Phrases of regions of the body, written by hand before any of them was tried: phrases/*.json.

Each file says which structures its phrases are meant for, so that they can be judged without a model, too. Those of
general.json have no answer anywhere and are asked in every region. They are a split of their own, "blind": once
somebody has looked at which of them fail, they are one no more.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

from vlp3d_core.evaluate.search_queries import Query, written

REGIONS = ("head-neck", "trunk", "brain", "hippocampus", "em")
GENERAL, BLIND = "general", "blind"


def region_concepts(region: str) -> tuple[str, ...]:
    """Ids of the structures that a region's phrases are meant for."""
    return tuple(_document(region)["concepts"])


def region_queries(region: str, known: Collection[str]) -> list[Query]:
    """A region's phrases and the general ones, for a model that knows these concepts."""
    rows = [*_document(region)["phrases"], *_document(GENERAL)["phrases"]]
    return list(written(rows, known, BLIND))


@cache
def _document(name: str) -> dict[str, Any]:
    text = files("vlp3d_core.evaluate").joinpath("phrases", f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document

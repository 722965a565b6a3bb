"""The kinds of findings and the words of reports, read once from findings.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from vlp3d_core.text.concepts import concepts


@dataclass(frozen=True)
class Wording:
    """One way to say something.

    Attributes:
        text: the words.
        looks: where it is said: modalities ("CT") or contrasts of MR ("MR T2"); empty for everywhere.
    """

    text: str
    looks: tuple[str, ...] = ()


def said(wordings: Iterable[Wording], modality: str, contrast: str = "") -> list[str]:
    """The wordings that fit a scan, in their order."""
    scan = {modality, f"{modality} {contrast}"}
    return [w.text for w in wordings if not w.looks or scan.intersection(w.looks)]


@dataclass(frozen=True)
class Kind:
    """How one kind of finding is worded.

    Attributes:
        forms: noun phrases with {side} and {site}; a countable head stands between bars, an uncountable one after "~".
        statements: whole sentences, for kinds that need no noun phrase.
        none: names used to say that there is none.
        sides: whether it has a side of its own (else its site gives one).
        sites: structures that it can lie in; empty where the kind itself says where.
        size, count: whether it is measured, and whether several at one place are counted.
        density, degree: words that qualify it; empty for none.
        modalities: which of them show it.
        unit: of its size, "mm" or "nm".
        concept: id in concepts.json, where it is not the kind's own.
    """

    forms: tuple[Wording, ...] = ()
    statements: tuple[str, ...] = ()
    none: tuple[Wording, ...] = ()
    sides: bool = False
    sites: tuple[str, ...] = ()
    size: bool = False
    count: bool = False
    density: tuple[str, ...] = ()
    degree: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("CT", "MR")
    unit: str = "mm"
    concept: str = ""


@cache
def words() -> Mapping[str, Any]:
    """The whole of findings.json. Do not change what it returns."""
    text = files("vlp3d_core.text.report").joinpath("findings.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return MappingProxyType(loaded)


@cache
def kinds() -> Mapping[str, Kind]:
    """Kind id → its words, in the order of the file."""
    rows: dict[str, dict[str, Any]] = words()["kinds"]
    return MappingProxyType({name: Kind(**{k: _fixed(k, v) for k, v in row.items()}) for name, row in rows.items()})


def _fixed(key: str, value: Any) -> Any:
    if key in ("forms", "none"):
        return tuple(Wording(v["form"], tuple(v["in"])) if isinstance(v, dict) else Wording(v) for v in value)
    return tuple(value) if isinstance(value, list) else value


@cache
def site_names(site: str) -> tuple[str, ...]:
    """What a report calls a structure in which a finding lies; ("",) for none."""
    if not site:
        return ("",)
    if site.startswith("vertebrae_"):
        level = site.removeprefix("vertebrae_")
        return tuple(form.format(level=level) for form in words()["vertebra"])
    return tuple(words()["sites"].get(site) or (concepts()[site].name.lower(),))


def organ_name(organ: str) -> str:
    """What a report calls an organ: "left kidney"."""
    return concepts()[organ].name.lower()


def plural(head: str) -> str:
    """ "nodule" → "nodules"."""
    return str(words()["plurals"].get(head, head + "s"))

"""The atlas: JSON tables of parts, turned into one patient's parts in the order of painting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from vlp3d_core.phantom.canvas import KEEP, Part
from vlp3d_core.phantom.patient import Patient, make_patient
from vlp3d_core.phantom.shapes import Ellipsoid, Loft, Move, Shape, Vector, rotation, sheet, tube
from vlp3d_core.phantom.skeleton import skeleton_concepts, skeleton_parts

Entry = dict[str, Any]
STILL: Entry = {"shift": 0.0, "size": 0.0, "turn": 0.0, "ripple": 0.0}


@cache
def table(name: str) -> Entry:
    """One of the JSON tables of this package's atlas folder. Do not change what it returns."""
    text = resources.files("vlp3d_core.phantom").joinpath(f"atlas/{name}.json").read_text(encoding="utf-8")
    loaded: Entry = json.loads(text)
    return loaded


@cache
def loft(name: str) -> Loft:
    """A named stack of cross-sections of outline.json."""
    entry = table("outline")["lofts"][name]
    return Loft(np.asarray(entry["rows"], float), float(entry["power"]))


def _entries(name: str, key: str = "parts") -> Iterator[Entry]:
    """Entries of a table, with defaults; a name with {side} gives the right part and its mirror image."""
    data = table(name)
    for entry in data[key]:
        full = {**entry, "vary": {**STILL, **data.get("vary", {}), **entry.get("vary", {})}}
        for side in ("right", "left") if "{side}" in entry["name"] else ("",):
            label = entry["name"].replace("{side}", side)
            yield {**full, "name": label, "mirror": side == "left"}


@cache
def entries(arms: str) -> tuple[Entry, ...]:
    """All tabled parts in the order of painting; `arms` is "arms_up" or "arms_down". "" marks where the spine comes."""
    order = [*_entries("cavities"), {"name": ""}, *_entries("bones"), *_entries("bones", arms)]
    for name in ("chest", "abdomen", "muscles", "head_neck"):
        order += _entries(name)
    return tuple(order)


def concept_of(entry: Entry) -> str:
    """Concept of an entry: "" for tissue without a label, "keep" for a detail of what is there, else its own name."""
    return str(entry.get("concept", entry["name"]))


@cache
def structures() -> dict[str, int]:
    """Every concept that a phantom can show and its label value, the same in all phantoms."""
    names = dict.fromkeys(skeleton_concepts(table("skeleton")))
    for entry in entries("arms_down"):
        if entry["name"] and concept_of(entry) not in ("", KEEP):
            names[concept_of(entry)] = None
    return {name: value for value, name in enumerate(names, start=1)}


def material_values() -> dict[str, int]:
    """Material name → value on the canvas; 0 is outside the body."""
    return {name: value for value, name in enumerate(table("materials")["materials"])}


def _drawn_anew(entry: Entry) -> bool:
    """Whether every patient has an own drawing of it."""
    return "loops" in entry or "branches" in entry


@cache
def _shared(arms: str) -> dict[str, list[Shape]]:
    """The drawn shapes of every entry that all patients share."""
    nobody = make_patient(0)
    return {e["name"]: shapes_of(e, nobody) for e in entries(arms) if e["name"] and not _drawn_anew(e)}


def shapes_of(entry: Entry, patient: Patient) -> list[Shape]:
    """The shapes of an entry as drawn in the atlas, before the patient's own variation."""
    shapes: list[Shape] = []
    sign = -1.0 if entry.get("mirror") else 1.0
    if "loops" in entry:
        shapes += tube(_loops(entry["loops"], patient.stream(entry["name"] + " loops")))
    if "branches" in entry:
        shapes += _branches(entry["branches"], patient.stream(entry["name"] + " branches"))
    for item in entry.get("shapes", ()):
        if "ref" in item:
            shapes.append(loft(item["ref"]))
        elif "ellipsoid" in item:
            x, y, z, *radii = item["ellipsoid"]
            tx, ty, tz = item.get("turn", (0, 0, 0))
            turn = rotation((tx, sign * ty, sign * tz))
            shapes.append(
                Ellipsoid(np.array([sign * x, y, z], float), np.array(radii, float), item.get("power", 2), turn)
            )
        elif "sheet" in item:
            edges = [[(sign * x, y, z, r) for x, y, z, r in edge] for edge in item["sheet"]]
            shapes += sheet(edges[0], edges[1])
        else:
            points = [(sign * x, y, z, r) for x, y, z, r in item["tube"]]
            shapes += tube(points, item.get("stretch", (1, 1, 1)), item.get("wave", ()))
    return shapes


def _loops(entry: Entry, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """Small bowel: loops that run to and fro across the abdomen, layer by layer, never twice the same."""
    points = []
    sign = 1.0
    for depth in entry["depths"]:
        levels = entry["levels"] if depth == entry["depths"][0] else entry["levels"][::-1]
        for level in levels:
            for x in np.linspace(-sign, sign, 5) * entry["width"] * rng.uniform(0.8, 1.05):
                jitter = rng.normal(0, 5, 3)
                radius = entry["radius"] * rng.uniform(0.85, 1.1)
                points.append((x + jitter[0], depth + jitter[1], level + 1.6 * jitter[2], radius))
            sign = -sign
    return points


def _branches(entry: Entry, rng: np.random.Generator) -> list[Shape]:
    """Vessels that fan out from a hilum to random points of an ellipsoid, thinner on the way."""
    x, y, z, radius = entry["from"]
    shapes: list[Shape] = []
    for _ in range(entry["count"]):
        way = rng.normal(size=3)
        end = np.array(entry["center"]) + way / np.linalg.norm(way) * np.array(entry["radii"]) * rng.uniform(0.5, 0.95)
        middle = (np.array([x, y, z]) + end) / 2 + rng.normal(0, 7, 3)
        shapes += tube([(x, y, z, radius), (*middle, radius * 0.6), (*end, 1.0)])
    return shapes


@dataclass(frozen=True)
class Changes:
    """What is not normal about a patient's organs.

    Attributes:
        scale: name of a part → factor on its edge lengths, on top of the patient's own variation.
        without: names of parts that are missing, with all that lies in them.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    without: frozenset[str] = frozenset()


NO_CHANGES = Changes()


def _move(entry: Entry, shapes: list[Shape], patient: Patient, factor: float = 1.0) -> Move:
    """The patient's own size, pose and place of a part."""
    rng, vary = patient.stream(entry["name"]), entry["vary"]
    corners = [shape.bounds() for shape in shapes]
    pivot = (np.min([c[0] for c in corners], axis=0) + np.max([c[1] for c in corners], axis=0)) / 2
    shift = np.clip(rng.normal(size=3), -2, 2) * vary["shift"]
    scale = float(np.exp(np.clip(rng.normal(), -2, 2) * vary["size"])) * factor
    return Move(pivot, rotation(np.clip(rng.normal(size=3), -2, 2) * vary["turn"]), scale, shift)


def _ripple(entry: Entry, patient: Patient) -> Vector:
    height = entry["vary"]["ripple"]
    if not height:
        return np.zeros((0, 5))
    rng = patient.stream(entry["name"] + " ripple")
    direction = rng.normal(size=(3, 3))
    direction *= 2 * np.pi / rng.uniform(22, 55, (3, 1)) / np.linalg.norm(direction, axis=1, keepdims=True)
    phase = rng.uniform(0, 2 * np.pi, (3, 1))
    return np.concatenate([direction, phase, np.full((3, 1), height / np.sqrt(3))], axis=1)


def parts(patient: Patient, arms: str, changes: Changes = NO_CHANGES) -> list[Part]:
    """The patient's parts, in the order of painting."""
    rows = entries(arms)
    byname = {e["name"]: e for e in rows if e["name"]}
    own = {name: shapes_of(e, patient) for name, e in byname.items() if _drawn_anew(e)}
    drawn = _shared(arms) | own
    moves = {
        name: _move(byname[name], shapes, patient, changes.scale.get(name, 1.0))
        for name, shapes in drawn.items()
        if shapes
    }
    result: list[Part] = []
    for entry in rows:
        if not entry["name"]:
            result += _skeleton()
        elif _present(entry, patient) and not changes.without & {
            entry["name"],
            entry.get("like"),
            *entry.get("on", ()),
        }:
            leader = entry.get("like", "")
            lead = byname[leader] if leader else entry
            shapes = drawn[lead["name"]]
            move = moves[lead.get("follow") or lead["name"]]
            placed = tuple(shape if move.still else shape.moved(move) for shape in shapes)
            over = _sets(tuple(entry.get("over", ())))
            planes = tuple((float(x), float(y), float(z), float(c)) for x, y, z, c in entry.get("planes", ()))
            result.append(
                Part(
                    entry["name"], concept_of(entry), entry["material"], placed, over, tuple(entry.get("on", ())),
                    planes, float(entry.get("grow", 0)), float(entry.get("blend", 0) or lead.get("blend", 0)),
                    _ripple(lead, patient),
                )
            )  # fmt: skip
    return result


@cache
def _skeleton() -> tuple[Part, ...]:
    return tuple(skeleton_parts(table("skeleton"), loft("cavity"), _sets(("flesh", "cavity"))))


def _present(entry: Entry, patient: Patient) -> bool:
    if entry.get("sex") == ("male" if patient.female else "female"):
        return False
    return "chance" not in entry or bool(patient.stream(entry["name"]).random() < entry["chance"])


def _sets(names: tuple[str, ...]) -> tuple[str, ...]:
    sets = table("materials")["sets"]
    return tuple(material for name in names for material in sets.get(name, (name,)))

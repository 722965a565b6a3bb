"""The atlas's tables are consistent: every name that they use exists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.phantom.atlas import entries, parts, structures, table
from vlp3d_core.phantom.patient import make_patient
from vlp3d_core.phantom.shapes import Move, rotation, sheet, tube

ARMS = ("arms_up", "arms_down")


@pytest.mark.parametrize("arms", ARMS)
def test_names_exist(arms: str) -> None:
    materials, known = table("materials")["materials"], structures()
    rows = [e for e in entries(arms) if e["name"]]
    names = [e["name"] for e in rows]
    assert len(names) == len(set(names))
    for entry in rows:
        assert {"like", "follow"}.isdisjoint(entry) or {entry.get(k, names[0]) for k in ("like", "follow")} <= set(
            names
        )
    for part in parts(make_patient(1), arms):
        assert part.material in materials and set(part.over) <= set(materials), part.name
        assert part.concept in ("", "keep") or part.concept in known
        assert set(part.on) <= set(known), part.name
        assert part.shapes, part.name


@given(st.integers(0, 2**63))
def test_patients_are_people(seed: int) -> None:
    patient = make_patient(seed)
    assert np.all((patient.scale > 0.85) & (patient.scale < 1.15))
    assert 0.4 <= patient.fat <= 2.2 and 0 <= patient.contrast <= 1
    for turn in (patient.turn, patient.head):
        assert np.allclose(turn @ turn.T, np.eye(3))


angles = st.tuples(*[st.floats(-180, 180)] * 3)


@given(angles, st.floats(0.5, 2))
def test_shapes_lie_in_their_bounds_and_move_rigidly(degrees: tuple[float, float, float], scale: float) -> None:
    move = Move(np.array([1.0, 2, 3]), rotation(degrees), scale, np.array([5.0, -4, 2]))
    plate = sheet([(0, 0, 0, 2), (9, 0, 1, 2)], [(0, 9, 0, 1), (8, 9, 2, 1)])
    pieces = [*tube([(0, 0, 0, 3), (10, 4, 2, 5), (20, 0, 8, 2)]), *plate]
    points = np.random.default_rng(0).uniform(-10, 30, (200, 3))
    for piece in pieces:
        before = piece.distance(*points.T.astype(np.float32))
        moved = move.point(points)
        after = piece.moved(move)
        assert after.distance(*moved.T.astype(np.float32)) == pytest.approx(scale * before, abs=2e-3)
        low, high = after.bounds()
        inside = moved[scale * before < -1e-3]
        assert np.all((inside >= low - 1e-3) & (inside <= high + 1e-3))

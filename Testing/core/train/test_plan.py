"""Plans from facts: what holds for any facts, and what it comes to for a few kinds of data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.case_facts import CaseFacts, Structure, Triple
from vlp3d_core.train.plan import LEAST_VOXELS, Budget, fit_patch, plan
from vlp3d_core.volume.normalise import Normalisation

SMALL = Budget(65_536, 2_000_000, 1.0)
BASE = Budget(2_097_152, 16_000_000, 0.125)


def triples(low: float, high: float) -> st.SearchStrategy[Triple]:
    edge = st.floats(low, high)
    return st.tuples(edge, edge, edge)


@st.composite
def volumes(draw: st.DrawFn) -> CaseFacts:
    """From a crop of 8 voxels to a body of 600, in mm or (EM) in nm, with a labelled box in it."""
    scale = draw(st.sampled_from([1.0, 1e-5]))
    spacing = tuple(scale * mm for mm in draw(triples(0.3, 8.0)))
    extent = tuple(n * mm for n, mm in zip(draw(triples(8, 600)), spacing, strict=True))
    labelled = tuple(part * mm for part, mm in zip(draw(triples(0.02, 1.0)), extent, strict=True))
    values = draw(st.lists(st.floats(-1024, 3000), min_size=2, max_size=2).map(sorted))
    mm3 = math.prod(labelled) * draw(st.floats(0.01, 1.0))
    return CaseFacts(spacing, extent, "CT", labelled, {"liver": Structure(mm3, *values)})  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(volumes(), min_size=1, max_size=5),
    st.sampled_from(["CT", "MR", "EM", "PT"]),
    st.sampled_from([SMALL, BASE]),
    st.sampled_from([4, 8, 16, 32]),
)
def test_what_holds_for_every_plan(facts: list[CaseFacts], modality: str, budget: Budget, stride: int) -> None:
    made = plan(facts, [], modality, budget, stride).settings
    patch, spacing = made["patch"], made["spacing"]
    assert all(n % stride == 0 and n >= 2 * stride for n in patch)
    assert math.prod(patch) <= max(budget.patch_voxels, (2 * stride) ** 3 * max(patch) // (2 * stride))
    for axis, mm in enumerate(spacing):
        assert mm >= min(f.spacing[axis] for f in facts) * (1 - 1e-6)
    for case in facts:
        assert math.prod(math.ceil(e / mm) for e, mm in zip(case.extent, spacing, strict=True)) <= budget.volume_voxels
    Normalisation.from_json(made["normalisation"])
    assert plan(facts, [], modality, budget, stride).settings == made


@given(triples(1, 400), st.sampled_from([4, 8, 16]), st.integers(1, 10**6))
def test_a_patch_that_is_not_bounded_covers_what_is_wanted(wanted: Triple, stride: int, most: int) -> None:
    whole = fit_patch(wanted, stride, 10**12)
    assert all(n <= edge < max(n, stride) + 2 * stride for n, edge in zip(wanted, whole, strict=True))
    bounded = fit_patch(wanted, stride, most)
    assert math.prod(bounded) <= most or min(bounded) == max(bounded) == 2 * stride
    assert all(b <= w for b, w in zip(bounded, whole, strict=True))


def facts_of(
    spacing: Triple, extent: Triple, labelled: Triple, mm3: float, values: Sequence[float | None] = (0, 100)
) -> list[CaseFacts]:
    return [CaseFacts(spacing, extent, "CT", labelled, {"liver": Structure(mm3, *values)})]


def test_a_crop_that_fits_is_seen_as_it_is() -> None:
    facts = facts_of((1, 1, 1), (36, 50, 35), (20, 36, 24), 2000)
    made = plan(facts, [], "MR", SMALL, 8).settings
    assert made["spacing"] == [1, 1, 1]
    assert made["patch"] == [32, 48, 32]
    assert made["normalisation"] == {"kind": "percentile", "low": 1.0, "high": 99.5}


def test_a_trunk_is_coarsened_on_its_fine_axes_first() -> None:
    facts = facts_of((0.8, 0.8, 5), (400, 400, 400), (250, 200, 180), 1e6)
    small = plan(facts, [], "CT", SMALL, 8).settings
    assert small["spacing"][0] == small["spacing"][1] < small["spacing"][2] * 1.01
    assert small["spacing"][0] > 4
    seen = [n * mm for n, mm in zip(small["patch"], small["spacing"], strict=True)]
    assert all(0.9 * field <= mm for field, mm in zip((250, 200, 180), seen, strict=True))
    base = plan(facts, [], "CT", BASE, 16).settings
    assert base["spacing"][0] < 2 and base["spacing"][2] == 5


def test_a_small_structure_stays_visible() -> None:
    nerve = facts_of((0.8, 0.8, 1), (400, 400, 300), (80, 80, 80), 300)
    spacing = plan(nerve, [], "CT", Budget(65_536, 10**9, 1.0), 8).settings["spacing"]
    assert math.prod(spacing) * LEAST_VOXELS <= 300
    # What is validated as a whole must fit all the same, and the plan says what that costs.
    bound = plan(nerve, [], "CT", SMALL, 8)
    assert math.prod(bound.settings["spacing"]) > 20
    assert "few voxels are left of liver" in bound.text


def test_a_large_volume_to_validate_on_counts() -> None:
    facts = facts_of((1, 1, 1), (64, 64, 64), (20, 20, 20), 2000)
    alone, beside = (plan(facts, others, "MR", SMALL, 8).settings["spacing"] for others in ([], [(500, 500, 500)]))
    assert alone == [1, 1, 1] and 500**3 / math.prod(beside) <= 2_000_000


def test_ct_gets_a_window_around_the_values_in_the_labels() -> None:
    def window(*values: float | None) -> Any:
        facts = facts_of((1, 1, 1), (64, 64, 64), (20, 20, 20), 2000, values)
        return [plan(facts, [], "CT", SMALL, 8).settings["normalisation"][end] for end in ("kind", "low", "high")]

    assert window(80, 140) == ["window", -40, 260]
    assert window(-60, 1250) == ["window", -160, 1350]
    assert window(-1024, 3071) == ["window", -1000, 3000]
    assert window(-5000, -4000) == ["window", -1000, -700]
    assert window(None, None)[0] == "window"


def test_what_is_given_wins_and_the_rest_fits_it() -> None:
    facts = facts_of((1, 1, 1), (200, 200, 200), (160, 160, 160), 1e5)
    given = {"spacing": [4.0, 4.0, 8.0], "normalisation": {"kind": "window", "low": 0, "high": 1}}
    made = plan(facts, [], "CT", SMALL, 8, given).settings
    assert made["spacing"] == [4, 4, 8] and made["normalisation"] == given["normalisation"]
    assert made["patch"][0] == made["patch"][1] == 2 * made["patch"][2] - 8 or made["patch"][0] > made["patch"][2]
    made = plan(facts, [], "CT", SMALL, 8, {"patch": [16, 16, 16]}).settings
    assert made["patch"] == [16, 16, 16] and made["spacing"][0] > 10
    with pytest.raises(UsageError, match="multiples of 8"):
        plan(facts, [], "CT", SMALL, 8, {"patch": [16, 16, 20]})


def test_nothing_drawn_is_no_plan() -> None:
    with pytest.raises(MedVLPError, match="shows a structure"):
        plan([CaseFacts((1, 1, 1), (9, 9, 9), "CT")], [], "CT", SMALL, 8)

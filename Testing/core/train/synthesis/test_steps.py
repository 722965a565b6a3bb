"""The steps of an image one by one: splines, deformations that do not fold, bias, slices, the window of inference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from Testing.core.train.synthesis.heads import generators, settings
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.elastic import displacement
from vlp3d_core.train.spline import controls_for, smooth_field
from vlp3d_core.train.synthesis import scan
from vlp3d_core.train.synthesis.appearance import painted
from vlp3d_core.train.synthesis.scan import acquired, bias_field, normalised
from vlp3d_core.train.synthesis.settings import hounsfield, synthesis_of, usual_greys, usual_shares
from vlp3d_core.volume.normalise import Normalisation

SEEDS = st.integers(0, 10_000)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_field_is_scipys_spline() -> None:
    controls = torch.zeros(1, 4, 4, 7)
    line = random(7)
    controls[:] = line
    ours = smooth_field(controls, (3, 2, 10))[0]
    place = (np.arange(10) + 0.5) / 10 * 4
    theirs = BSpline(np.arange(-3.0, 8.0), line.double().numpy(), 3)(place)
    assert np.allclose(ours, theirs[None, None], atol=1e-5)


@examples(deadline=None, max_examples=30)
@given(shape=st.tuples(*[st.integers(1, 20)] * 3), counts=st.tuples(*[st.integers(4, 7)] * 3), seed=SEEDS)
def test_a_field_stays_between_its_control_points(shape: tuple[int, ...], counts: tuple[int, ...], seed: int) -> None:
    controls = random(2, *counts, seed=seed)
    field = smooth_field(controls, shape)
    assert field.shape == (2, *shape)
    assert field.min() >= controls.min() - 1e-5 and field.max() <= controls.max() + 1e-5
    assert torch.allclose(smooth_field(torch.full_like(controls, 0.3), shape), torch.tensor(0.3), atol=1e-5)


def test_control_points_lie_about_as_far_apart_as_asked() -> None:
    assert controls_for((96, 10, 48), (1, 1, 2), 24) == [7, 4, 7]


@examples(deadline=None, max_examples=25)
@given(seed=SEEDS, mm=st.sampled_from([1.0, 2.0, 4.0]))
def test_a_deformation_does_not_fold(seed: int, mm: float) -> None:
    """The determinant of its derivative stays above zero: tissue is stretched, never turned inside out."""
    shape = (24, 28, 20)
    field = displacement(shape, generators(seed)[0], (mm, mm, mm), 6.0, torch.device("cpu")).flip(-1)
    moves = [field[..., axis].numpy() * shape[axis] / 2 for axis in range(3)]
    jacobian = np.stack([np.stack(np.gradient(move), -1) for move in moves], -2) + np.eye(3)
    assert np.linalg.det(jacobian).min() > 0.1
    assert max(np.abs(move).max() for move in moves) * mm < 12.1


def test_a_bias_field_is_smooth_and_about_one() -> None:
    fields = [bias_field(torch.ones(1, 1, 40, 40, 40), generators(seed)[0], settings()) for seed in range(20)]
    steps = [(field[..., 1:] / field[..., :-1]).log().abs().max() for field in fields]
    assert max(steps) < 0.05 and all(field.min() > 0 for field in fields)
    assert abs(torch.stack(fields).log().mean()) < 0.15
    assert len({round(float(field.std()), 4) for field in fields}) == 20


def test_slices_are_thick_along_one_axis_only() -> None:
    """Noise before the slices is smoothed by them: along the thick axis neighbours look alike."""
    image = torch.randn(1, 1, 48, 48, 48, generator=generators(0)[0])
    alike = []
    for seed in range(30):
        out = acquired(image, generators(seed)[0], settings(noise=0))[0, 0]
        steps = torch.tensor([out.diff(dim=axis).abs().mean() for axis in range(3)])
        alike.append(float(steps.max() / steps.min()))
    assert 8 < sum(ratio > 1.5 for ratio in alike) < 25 and all(torch.isfinite(torch.tensor(alike)))


@pytest.mark.parametrize(
    "window", [Normalisation("percentile", 1, 99.5), Normalisation("window", -0.2, 0.7)], ids=["percentile", "window"]
)
def test_greys_are_those_of_inference(window: Normalisation, monkeypatch: pytest.MonkeyPatch) -> None:
    image = random(1, 1, 20, 21, 22)
    image[image < 0.3] = 0
    made = synthesis_of(
        {"look": "ct", "tissues": ["fat"]} if window.kind == "window" else {"look": "mr"}, (1, 1, 1), window.to_json()
    )
    assert made is not None
    monkeypatch.setattr(scan, "uniform", lambda low, high, count, generator: torch.full((count,), 0.5))
    expected = torch.from_numpy(window.apply(image.numpy()))
    assert torch.allclose(normalised(image, generators(0)[0], made), expected, atol=1e-4)


def test_an_image_without_any_contrast_is_air() -> None:
    assert (normalised(torch.full((1, 1, 8, 8, 8), 7.0), generators(0)[0], settings()) == -1).all()


def test_hounsfield_units_are_ranges() -> None:
    assert all(-1000 <= low <= high <= 3071 and deviation > 0 for low, high, deviation in hounsfield().values())
    assert (
        hounsfield()["lung"][1] < hounsfield()["fat"][0] < hounsfield()["muscle"][0] < hounsfield()["bone_cortical"][0]
    )


@pytest.mark.parametrize(("contrasts", "expected_seen"), [([], {0, 1, 2, 3}), (["FLAIR", "T2"], {1, 2})])
def test_usual_contrasts_have_the_order_of_their_kind(contrasts: list[str], expected_seen: set[int]) -> None:
    """White matter, grey matter and fluid: bright, middle and dark in T1, the other way round in T2."""
    names = ["white_matter", "", "fluid", "gray_matter"]
    chosen = settings(tissues=names, usual=1, contrasts=contrasts)
    tissues = torch.arange(1, 5, dtype=torch.uint8).repeat_interleave(1000).view(1, 10, 20, 20)
    seen = set()
    for seed in range(40):
        image = painted(tissues, generators(seed)[0], chosen)[0, 0]
        greys = [float(image[tissues[0] == number].mean()) for number in (1, 3, 4)]
        expected = torch.tensor([usual_greys()[names[number - 1]] for number in (1, 3, 4)])
        away = (torch.tensor(greys)[:, None] - expected).abs().amax(0)
        assert float(away.min()) < 40  # four standard deviations
        seen.add(int(away.argmin()))
    assert seen == expected_seen and sum(usual_shares().values()) == pytest.approx(1)


def test_what_is_unnamed_has_any_grey() -> None:
    chosen = settings(tissues=["white_matter", ""], usual=1)
    tissues = torch.full((1, 10, 10, 10), 2, dtype=torch.uint8)
    means = [float(painted(tissues, generators(seed)[0], chosen).mean()) for seed in range(30)]
    assert min(means) < 80 and max(means) > 170


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"look": "mr", "usual": 0.5}, "percentile", "synthesis.tissues is needed"),
        ({"look": "mr", "usual": 0.5, "tissues": ["liver"]}, "percentile", "can name white_matter"),
        ({"look": "mr", "usual": 1.5, "tissues": ["fluid"]}, "percentile", "usual must not be above 1"),
        ({"look": "mr", "contrasts": ["DWI"]}, "percentile", "can name T1, T2, FLAIR, PD"),
        ({"look": "pet"}, "percentile", "synthesis.look must be one of mr, ct"),
        ({"look": "mr"}, "window", "normalisation must be a percentile for synthesis of mr"),
        ({"look": "ct", "tissues": ["fat"]}, "percentile", "normalisation must be a window"),
        ({"look": "ct"}, "window", "synthesis.tissues is needed"),
        ({"look": "mr", "tissues": ["fat"]}, "percentile", "only there"),
        ({"look": "ct", "tissues": ["fat", "cheese"]}, "window", "and not cheese"),
        ({"blur": 1}, "percentile", "unknown settings: blur"),
        ({"noise": -1}, "percentile", "synthesis.noise must not be negative"),
        ({"cropped": 1.5}, "percentile", "synthesis.cropped must not be above 1"),
        ({"elastic": "much"}, "percentile", "elastic cannot be 'much'"),
        ({"look": "mr"}, "cube", "'cube' is not a kind of normalisation"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, object], kind: str, reason: str) -> None:
    with pytest.raises((UsageError, MedVLPError)) as caught:
        synthesis_of(change, (1, 1, 1), {"kind": kind, "low": 0, "high": 50})
    assert reason in str(caught.value)


def test_no_settings_are_none() -> None:
    assert synthesis_of({}, (1, 1, 1), {}) is None

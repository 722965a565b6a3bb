"""Images from tissues: in range, repeatable, each its own, with labels that stay on what they name."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from Testing.core.train.synthesis.heads import apart, generators, head, settings
from vlp3d_core.train.augment import augment
from vlp3d_core.train.synthesis.synthesise import shown, synthesise

SEEDS = st.integers(0, 10_000)
CT = {"look": "ct", "tissues": ["muscle", "fat", "liver", "bone_cortical"]}
QUIET = {"elastic": 0, "bias": 0, "gamma": 0, "noise": 0, "cropped": 0, "thickest": 0}


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    tissues, labels = head()
    return tissues.repeat(count, 1, 1, 1), labels.repeat(count, 1, 1, 1)


@examples(deadline=None, max_examples=30)
@given(shape=st.tuples(*[st.integers(24, 40)] * 3), seed=SEEDS, look=st.sampled_from([{}, CT]))
def test_ranges_types_and_values(shape: tuple[int, int, int], seed: int, look: dict[str, object]) -> None:
    tissues, labels = head(shape)
    labels[labels == 3] = 200
    before = tissues.clone(), labels.clone()
    image, values = synthesise(tissues, labels, generators(seed), settings(**look))
    assert image.shape == (1, 1, *shape) and image.dtype == torch.float32 and torch.isfinite(image).all()
    assert image.min() >= -1 and image.max() <= 1
    assert (
        values.shape == labels.shape and values.dtype == torch.uint8 and set(values.unique().tolist()) <= {0, 1, 2, 200}
    )
    assert torch.equal(tissues, before[0]) and torch.equal(labels, before[1]), "the batch itself stays as it is"


def test_a_seed_decides_and_each_item_is_alone() -> None:
    """An item comes out the same alone and in any batch, so it does not matter which process it comes to."""
    maps = batch(3)
    image, values = synthesise(*maps, generators(5, 3), settings())
    again, _ = synthesise(*maps, generators(5, 3), settings())
    assert torch.equal(image, again)
    for n in range(3):
        alone = synthesise(maps[0][:1], maps[1][:1], generators(5 + n), settings())
        assert torch.allclose(alone[0][0], image[n], atol=1e-5) and torch.equal(alone[1][0], values[n])
    assert not torch.allclose(image[0], image[1], atol=0.1) and not torch.equal(values[0], values[1])


def test_autocast_changes_nothing() -> None:
    maps = batch(1)
    plain = synthesise(*maps, generators(2), settings())
    with torch.autocast("cpu", torch.bfloat16):
        blunt = synthesise(*maps, generators(2), settings())
    assert torch.equal(plain[0], blunt[0]) and torch.equal(plain[1], blunt[1])


@pytest.mark.parametrize("seed", range(12))
def test_a_bright_tissue_lies_where_its_label_is(seed: int) -> None:
    """The middle of the image of one bright cube against that of its label, after pose, deformation and slices."""
    tissues = torch.zeros(1, 40, 38, 36, dtype=torch.uint8)
    tissues[:, 14:24, 16:26, 12:22] = 1
    chosen = {"look": "ct", "tissues": ["bone_cortical"], "cropped": 0, "noise": 0}
    image, label = synthesise(tissues, tissues, generators(seed), settings(**chosen))
    assert label.any()
    assert apart(image, label) < 0.5


def test_left_stays_left() -> None:
    for seed in range(10):
        _, values = synthesise(*head(), generators(seed), settings(cropped=0))
        left, right = ((values[0] == v).nonzero()[:, 0].double().mean() for v in (2, 3))
        assert left + 8 < right


def test_air_is_dark() -> None:
    """Blanked in half of the images, and never as bright as a tissue on average."""
    tissues, labels = head()
    blanked = 0
    for seed in range(40):
        image, _ = synthesise(tissues, labels, generators(seed), settings(noise=0, cropped=0))
        corner = image[0, 0, :2, :2, :2]
        assert corner.mean() < image[0, 0, 8:-8, 8:-8, 8:-8].mean()
        blanked += bool((corner == -1).all())
    assert blanked > 8


def test_contrasts_of_all_kinds() -> None:
    """Of two tissues now the one and now the other is brighter."""
    tissues, labels = head()
    brighter = []
    for seed in range(30):
        image, values = synthesise(tissues, labels, generators(seed), settings(**QUIET))
        sides, middle = (image[0, 0][values[0] == v].mean() for v in (2, 1))
        brighter.append(bool(sides > middle))
    assert 6 < sum(brighter) < 24


def test_a_ct_has_the_hu_of_its_tissues() -> None:
    tissues = torch.zeros(1, 24, 24, 24, dtype=torch.uint8)
    tissues[:, :8], tissues[:, 8:16], tissues[:, 16:] = 1, 2, 3
    chosen = settings(**QUIET, look="ct", tissues=["fat", "water", "bone_spongy"])
    for seed in range(5):
        image, values = synthesise(tissues, tissues, generators(seed), chosen)
        for value, (low, high) in {1: (-115, -80), 2: (-5, 20), 3: (100, 400)}.items():
            inner = torch.nn.functional.max_pool3d((values[:, None] != value).float(), 5, 1, 2)[0, 0] == 0
            hu = (image[0, 0][inner].mean() + 1) * 500 - 350
            assert low - 8 < hu < high + 8


def test_stripped_images_lack_what_is_outside() -> None:
    tissues, labels = head()
    chosen = settings(**QUIET, outside=4, stripped=1)
    tissues[tissues == 1] = 100
    for seed in range(6):
        image, values = synthesise(tissues, labels, generators(seed), chosen)
        inside = torch.nn.functional.max_pool3d((values[:, None] > 0).float(), 7, 1, 3)[0, 0] > 0
        assert image[0, 0][~inside].mean() < -0.85 < image[0, 0][values[0] == 1].mean()


def test_a_field_of_view_that_ends_shows_no_label_beyond() -> None:
    full = torch.ones(1, 24, 24, 24, dtype=torch.uint8)
    cut = 0
    for seed in range(12):
        image, values = synthesise(full, full, generators(seed), settings(cropped=1, look="ct", tissues=["muscle"]))
        assert torch.equal(values[0] == 0, image[0, 0] == -1)
        cut += int((values == 0).any())
        assert (values == 0).double().mean() <= 1 / 3
    assert cut > 8


def test_a_batch_of_scans_and_tissues() -> None:
    """Scans are augmented as they would be without the others, images are made of the rest."""
    tissues, labels = batch(4)
    images = tissues[:, None].float()
    images[::2] = images[::2] / 4 - 0.5
    made = torch.tensor([False, True, False, True])
    out, values = shown(images, labels, made, generators(3, 4), settings())
    scans = augment(images[::2], labels[::2], generators(3, 4)[::2])
    fresh = synthesise(tissues[1::2], labels[1::2], generators(3, 4)[1::2], settings())
    assert torch.equal(out[::2], scans[0]) and torch.equal(values[::2], scans[1])
    assert torch.equal(out[1::2], fresh[0]) and torch.equal(values[1::2], fresh[1])
    assert images[1].max() == 4, "the batch itself stays as it is"
    assert torch.equal(shown(images[::2], labels[::2], made[::2], generators(3, 4)[::2], None)[0], scans[0])

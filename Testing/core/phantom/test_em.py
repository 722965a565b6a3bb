"""EM phantoms: cells in one piece, organelles where they belong, greys in their order, and reports that count right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom import EMPhantom, Study, make_em, make_em_study, measure
from vlp3d_core.phantom.em import em_values
from vlp3d_core.phantom.em_study import orientation
from vlp3d_core.text import concepts
from vlp3d_core.text.report import parse_report, write_report
from vlp3d_core.volume.modality import guess_modality

FINE = (12e-6, 12e-6, 12e-6)
SIZE = (64, 64, 64)
SEEDS = range(8)


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    return [make_em_study(seed, FINE, size=SIZE) for seed in SEEDS]


@pytest.fixture(scope="module")
def blocks(studies: list[Study]) -> list[EMPhantom]:
    return [study.phantom for study in studies if isinstance(study.phantom, EMPhantom)]


def test_the_same_seed_makes_the_same_block(blocks: list[EMPhantom]) -> None:
    again = make_em(3, FINE, SIZE)
    assert np.array_equal(again.volume.array, blocks[3].volume.array)
    assert np.array_equal(again.labels, blocks[3].labels) and np.array_equal(again.instances, blocks[3].instances)
    assert not np.array_equal(blocks[2].labels, blocks[3].labels)


def test_shape_spacing_and_modality(blocks: list[EMPhantom]) -> None:
    for block in blocks:
        assert block.volume.shape == block.labels.shape == block.instances.shape == SIZE
        assert block.volume.spacing == pytest.approx(FINE) and block.volume.modality == "EM"
        assert guess_modality(block.volume.array, block.volume.spacing) == "EM"
        assert block.instances.dtype == np.uint16 and block.labels.dtype == np.uint8
        assert set(block.values.values()) <= set(concepts()) and set(np.unique(block.labels)) - {0} == set(block.values)
        assert all(em_values()[name] == value for value, name in block.values.items())


def test_every_cell_is_one_piece(blocks: list[EMPhantom]) -> None:
    total = torn = 0
    for block in blocks:
        for value, box in enumerate(ndimage.find_objects(block.instances.astype(np.int32)), 1):
            if box is not None:
                sizes = np.bincount(ndimage.label(block.instances[box] == value)[0].ravel())[1:]
                total += int(sizes.sum())
                torn += int(sizes.sum() - sizes.max())
    assert torn < 0.002 * total


def test_borders_of_cells_are_membranes(blocks: list[EMPhantom]) -> None:
    """Where neighbouring voxels are of different cells, both are membrane, synapse, or a noted gap."""
    for block in blocks:
        values = em_values()
        allowed = [values[n] for n in ("membrane", "synapse", "postsynaptic_density", "extracellular_space")]
        differ = block.instances[1:] != block.instances[:-1]
        for side in (slice(1, None), slice(None, -1)):
            fine = np.isin(block.labels[side], allowed) | (block.gaps[side] > 0)
            assert fine[differ].all()
        inside = block.labels == values["neurite"]
        assert np.all(block.instances[inside] > 0)


def test_organelles_lie_in_one_cell_each(blocks: list[EMPhantom]) -> None:
    checked = 0
    for block in blocks:
        for name in ("mitochondrion", "vesicle_cloud"):
            pieces, count = ndimage.label(block.labels == em_values()[name])
            for piece in range(1, count + 1):
                assert len(np.unique(block.instances[pieces == piece])) == 1, name
                checked += 1
    assert checked >= 12


def test_a_synapse_lies_between_a_cloud_and_a_density(blocks: list[EMPhantom]) -> None:
    checked = 0
    for block in blocks:
        step = block.volume.spacing[0] * 1e6
        for name in ("vesicle_cloud", "postsynaptic_density"):
            if em_values()["synapse"] not in block.values:
                continue
            far = ndimage.distance_transform_edt(block.labels != em_values()[name]) * step
            pieces, count = ndimage.label(block.labels == em_values()["synapse"])
            assert all(far[pieces == p].min() < 90 for p in range(1, count + 1)), name
            checked += count
    assert checked >= 6


def test_greys_in_their_order(blocks: list[EMPhantom]) -> None:
    for block in blocks:
        mean = {fact.concept: fact.mean for fact in block.facts}
        assert mean["membrane"] < mean["neurite"] - 20 and mean["mitochondrion"] < mean["neurite"] - 15
        if "synapse" in mean:
            assert mean["synapse"] < mean["membrane"]
        assert block.volume.array.min() >= 0 and block.volume.array.max() <= 255


def test_like_fib_sem(shared_data: Path) -> None:
    """Greys and their change from voxel to voxel are those of FIB-25, as far as a drawing can have them."""
    path = shared_data / "em_fib25" / "train2_raw.nrrd"
    if not path.exists():
        pytest.skip("FIB-25 is not there")
    real = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(float)
    drawn = np.stack([make_em(seed, (8e-6,) * 3, (64, 64, 64)).volume.array for seed in range(4)]).astype(float)
    histograms = [np.histogram(a, bins=32, range=(0, 256))[0] / a.size for a in (real, drawn)]
    assert np.minimum(*histograms).sum() > 0.75
    assert drawn.std() == pytest.approx(real.std(), rel=0.3)
    assert np.diff(drawn, axis=3).std() == pytest.approx(np.diff(real, axis=2).std(), rel=0.5)


def test_the_report_counts_what_is_labelled(studies: list[Study]) -> None:
    kinds = set()
    for study in studies:
        block = study.phantom
        assert isinstance(block, EMPhantom)
        findings = {f.kind: f for f in study.facts.findings}
        for name in ("mitochondrion", "vesicle_cloud", "synapse"):
            count = ndimage.label(block.labels == em_values()[name])[1]
            assert (findings[name].count if name in findings else 0) == count, name
        cells = set(np.unique(block.instances).tolist()) - {0}
        assert findings["neurite"].count == len(cells - set(block.bodies))
        assert ("cell_body" in findings) == (em_values()["cell_body"] in block.values)
        assert (findings["membrane_gap"].count if "membrane_gap" in findings else 0) == block.gaps.max()
        along = orientation(block)
        if "neurite_orientation" in findings:
            assert along["xyz".index(findings["neurite_orientation"].density[0])] >= 0.65
        kinds |= set(findings)
        assert not set(findings) & set(study.facts.none)
    assert kinds >= {"neurite", "mitochondrion", "vesicle_cloud", "synapse", "cell_body", "neurite_orientation"}


def test_the_size_is_that_of_the_largest_mitochondrion(studies: list[Study]) -> None:
    ways = np.random.default_rng(0).normal(size=(400, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    for study in studies:
        mask = study.phantom.labels == em_values()["mitochondrion"]
        sizes = [f.size_nm for f in study.facts.findings if f.kind == "mitochondrion"]
        if not sizes:
            continue
        pieces, count = ndimage.label(mask)
        longest = max(np.ptp(np.argwhere(pieces == p) * 12 @ ways.T, axis=0).max() for p in range(1, count + 1))
        assert abs(sizes[0] - longest) < 25  # one voxel across, and directions that are not the same


def test_what_is_written_is_read_back(studies: list[Study]) -> None:
    for study in studies:
        assert parse_report(write_report(study.facts, 5)) == study.facts
        read = parse_report(study.report)
        assert read.modality == "EM" and read.findings == study.facts.findings
        assert set(read.none) <= set(study.facts.none)
    assert len({study.report for study in studies}) == len(studies)


def test_marks_show_the_findings(studies: list[Study]) -> None:
    for study in studies:
        for number, kind in enumerate(study.drawn, 1):
            mark = study.marks == number
            assert mark.any() and kind in {f.kind for f in study.facts.findings}
            if kind != "membrane_gap":
                assert set(np.unique(study.phantom.labels[mark])) == {em_values()[kind]}


def test_a_torn_membrane_is_pale() -> None:
    found = 0
    for seed in (4, 9):
        block = make_em(seed, (8e-6,) * 3, (72, 72, 72))
        if block.gaps.max():
            membrane = block.volume.array[block.labels == em_values()["membrane"]].mean()
            assert block.volume.array[block.gaps > 0].mean() > membrane + 12
            found += 1
    assert found


def test_sections() -> None:
    """Anisotropic as CREMI: sections differ in brightness, and nothing is blurred across them."""
    block = make_em(5, (4e-6, 4e-6, 40e-6), (96, 96, 12))
    assert block.volume.spacing == pytest.approx((4e-6, 4e-6, 40e-6))
    assert np.diff(block.volume.array, axis=2).std() > 1.5 * np.diff(block.volume.array, axis=0).std()
    drawn = {make_em(seed, size=(16, 16, 16)).volume.spacing[2] > 2e-5 for seed in range(8)}
    assert drawn == {False, True}


def test_large_voxels_hide_small_things() -> None:
    """Nothing is said about vesicles, synapses and gaps that no voxel could show; cells and mitochondria are there."""
    study = make_em_study(3, (2.8e-5,) * 3, size=(40, 40, 40))
    said = {f.kind for f in study.facts.findings} | set(study.facts.none)
    assert not said & {"vesicle_cloud", "synapse", "membrane_gap"} and {"neurite", "mitochondrion"} <= said
    assert em_values()["membrane"] in study.phantom.values
    assert make_em(3, (6e-5,) * 3, (12, 12, 12)).volume.spacing == pytest.approx((6e-5,) * 3)


def test_facts_are_tiny(blocks: list[EMPhantom]) -> None:
    """Volumes are right although a block is 1e-9 mm³."""
    for fact in measure(blocks[0].volume, blocks[0].labels, blocks[0].values):
        voxels = np.count_nonzero(blocks[0].labels == em_values()[fact.concept])
        assert fact.volume_ml * 1e12 == pytest.approx(voxels * 0.012**3)  # µm³ are 1e-12 ml


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": 1, "spacing": (1, 1, 1)},
        {"seed": 1, "spacing": (8e-6, 8e-6)},
        {"seed": 1, "spacing": (float("nan"), 8e-6, 8e-6)},
        {"seed": 1, "size": (4, 64, 64)},
        {"seed": 1, "size": (9000, 9000, 9000)},
        {"seed": 1, "size": (64.5, 64, 64)},
    ],
)
def test_bad_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make_em(**wrong)

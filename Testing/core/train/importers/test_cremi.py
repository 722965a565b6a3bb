"""CREMI: HDF5 becomes volumes in mm, clefts become synapses, padding is cut off."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from Testing.core.train.importers.made import build, request
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import cremi
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels

NOTHING = np.uint64(2**64 - 1)
SHAPE = (4, 6, 8)


def sample(path: Path, seed: int, labelled: bool = True, padding: int = 0) -> Path:
    """z, y, x; 40 x 4 x 4 nm; neurons 7, 900 and 2^40; one cleft of two voxels."""
    path.parent.mkdir(exist_ok=True)
    raw = np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)
    neurons = np.full(SHAPE, 7, np.uint64)
    neurons[1], neurons[2], neurons[3, 0, 0] = 900, 2**40, NOTHING
    clefts = np.full(SHAPE, NOTHING)
    clefts[1, 2, 3:5] = 12
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = np.pad(raw, padding, constant_values=99)
        file["volumes/raw"].attrs["resolution"] = (40.0, 4.0, 4.0)
        if labelled:
            for name, data in (("neuron_ids", neurons), ("clefts", clefts)):
                file[f"volumes/labels/{name}"] = data
                if padding:
                    file[f"volumes/labels/{name}"].attrs["offset"] = (40.0 * padding, 4.0 * padding, 4.0 * padding)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate("ABC"):
        sample(tmp_path / "cremi" / f"sample_{name}_20160501.hdf", seed)
    return tmp_path / "cremi"


def test_samples(folder: Path) -> None:
    sample(folder / "sample_A+_20160601.hdf", 9, labelled=False)
    cases, notes = build("cremi", folder)
    assert sorted(c.subject for c in cases.values()) == ["cremi-A", "cremi-A+", "cremi-B", "cremi-C"]
    assert {c.split for c in cases.values() if c.label} == {"train", "validation", "test"}
    case = cases["sample_A_20160501-raw.nrrd"]
    assert (case.modality, case.labels, case.contoured) == ("EM", {1: "synapse"}, ("synapse",))
    assert cases["sample_A+_20160601-raw.nrrd"].split == "test" and cases["sample_A+_20160601-raw.nrrd"].label is None
    volume = read_volume(case.image, modality="EM")
    assert np.allclose(volume.spacing, (4e-6, 4e-6, 40e-6)) and volume.shape == SHAPE[::-1]
    with h5py.File(folder / "sample_A_20160501.hdf") as file:
        assert np.array_equal(volume.array.T, file["volumes/raw"])
    assert "sample_A_20160501-neurons.nrrd" in notes


def test_labels(folder: Path) -> None:
    cases, _ = build("cremi", folder)
    label = cases["sample_B_20160501-raw.nrrd"].label
    assert label is not None
    clefts, affine = read_labels(label)
    assert np.argwhere(clefts == 1).tolist() == [[3, 2, 1], [4, 2, 1]] and clefts.sum() == 2
    assert np.allclose(affine, read_volume(cases["sample_B_20160501-raw.nrrd"].image).affine)
    neurons, _ = read_labels(label.with_name("sample_B_20160501-neurons.nrrd"))
    assert np.unique(neurons[:, :, 1]).tolist() == [2] and np.unique(neurons[:, :, 2]).tolist() == [3]
    assert neurons[0, 0, 3] == 0 and neurons[0, 0, 0] == 1


def test_padding_is_cut_off(tmp_path: Path) -> None:
    sample(tmp_path / "cremi" / "sample_A_padded_20160501.hdf", 0, padding=2)
    cases, _ = build("cremi", tmp_path / "cremi")
    array = read_volume(cases["sample_A_padded_20160501-raw.nrrd"].image).array
    assert array.shape == SHAPE[::-1]
    assert np.array_equal(array.T, np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8))


def test_a_padded_copy_of_a_sample_is_left_out(folder: Path) -> None:
    sample(folder / "sample_A_padded_20160501.hdf", 0, padding=2)
    cases, notes = build("cremi", folder)
    assert len(cases) == 3 and "Left out, because the same sample is there without padding: sample_A_padded" in notes


def test_a_second_call_writes_nothing(folder: Path) -> None:
    told: list[float] = []
    build("cremi", folder, progress=lambda _, part: told.append(part))
    files = {p: p.stat().st_mtime_ns for p in folder.with_name("cremi-volumes").iterdir()}
    build("cremi", folder)
    assert len(files) == 9 and {p: p.stat().st_mtime_ns for p in files} == files and told[-1] == 1


def broken(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_hdf5(path: Path) -> None:
    path.write_bytes(b"not HDF5 at all")


def no_raw(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["volumes/raw"]


def no_resolution(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["volumes/raw"].attrs["resolution"]


def outside(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["volumes/labels/neuron_ids"].attrs["offset"] = (40.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (broken, "cannot be read as HDF5"),
        (no_hdf5, "cannot be read as HDF5"),
        (no_raw, "has no data set volumes/raw"),
        (no_resolution, "no resolution in nm"),
        (outside, "do not lie within"),
    ],
)
def test_what_is_refused(tmp_path: Path, harm, reason: str) -> None:
    harm(sample(tmp_path / "cremi" / "sample_A_20160501.hdf", 0))
    with pytest.raises(MedVLPError, match=reason):
        cremi.read(request(tmp_path / "cremi"))
    out = tmp_path / "cremi-volumes"
    assert not out.exists() or list(out.iterdir()) == []

"""CC-CCII: pictures become volumes, slices in the order of their numbers; classes become findings."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from Testing.core.train.importers.made import build, request
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import cc_ccii
from vlp3d_core.train.importers.cc_ccii import slices_of
from vlp3d_core.volume.read import read_volume


def scan(folder: Path, *names: str, shape: tuple[int, ...] = (6, 5)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rng = np.random.default_rng(zlib.crc32(str(folder / name).encode()))
        array = rng.integers(0, 256, shape, np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=len(shape) == 3), str(folder / name))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cc-ccii"
    for place in ("NCP/328/1805", "NCP/328/1806", "CP/328/3567", "Normal/7/1", "Normal/8/2"):
        scan(made / place, "2.png", "10.png", "1.png")
    return made


def test_scans(folder: Path) -> None:
    scan(folder / "CP/9/4", "1.jpg")
    cases, notes = build("cc-ccii", folder)
    assert {n.removesuffix(".nrrd"): c.subject for n, c in cases.items()} == {
        "NCP-328-1805": "NCP-328", "NCP-328-1806": "NCP-328", "CP-328-3567": "CP-328", "Normal-7-1": "Normal-7",
        "Normal-8-2": "Normal-8",
    }  # fmt: skip
    assert cases["NCP-328-1805.nrrd"].findings == {"pneumonia": True, "lung_covid_infiltrate": True}
    assert cases["CP-328-3567.nrrd"].findings == {"pneumonia": True, "lung_covid_infiltrate": False}
    assert cases["Normal-7-1.nrrd"].findings == {"pneumonia": False, "lung_covid_infiltrate": False}
    assert {c.split for c in cases.values()} == {"train", "validation", "test"}
    assert "spacing and HU are not known" in notes and "fewer than two slices and are left out: CP-9-4" in notes


def test_a_volume_of_slices(folder: Path) -> None:
    cases, _ = build("cc-ccii", folder)
    volume = read_volume(cases["NCP-328-1805.nrrd"].image)
    assert volume.shape == (5, 6, 3) and volume.spacing == (1, 1, 1)
    for k, name in enumerate(("1.png", "2.png", "10.png")):
        picture = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "NCP/328/1805" / name)))
        assert np.array_equal(volume.array[:, :, k].T, picture)


def test_colour_pictures_become_grey(tmp_path: Path) -> None:
    scan(tmp_path / "c/CP/1/1", "a1.png", "a2.png", shape=(6, 5, 3))
    cases, _ = build("cc-ccii", tmp_path / "c")
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "c/CP/1/1/a2.png")))
    assert np.array_equal(read_volume(cases["CP-1-1.nrrd"].image).array[:, :, 1].T, np.rint(picture.mean(axis=-1)))


def test_a_second_call_writes_nothing_until_a_slice_is_added(folder: Path) -> None:
    cases, _ = build("cc-ccii", folder)
    path = cases["CP-328-3567.nrrd"].image
    before = path.stat().st_mtime_ns
    build("cc-ccii", folder)
    assert path.stat().st_mtime_ns == before
    scan(folder / "CP/328/3567", "11.png")
    build("cc-ccii", folder)
    assert read_volume(path).shape == (5, 6, 4)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20, unique=True))
def test_slices_are_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for number in numbers:
            (Path(name) / f"IM{number}.jpg").touch()
        assert [p.stem for p in slices_of(Path(name))] == [f"IM{n}" for n in sorted(numbers)]


def test_what_is_refused(folder: Path) -> None:
    scan(folder / "CP/328/3567", "5.png", shape=(7, 5))
    with pytest.raises(MedVLPError, match=r"5\.png has 5 x 7 pixels, and 1\.png 5 x 6"):
        cc_ccii.read(request(folder))
    (folder / "CP/328/3567/5.png").write_bytes(b"no picture")
    with pytest.raises(MedVLPError, match=r"5\.png cannot be read as a picture"):
        cc_ccii.read(request(folder))


def test_folders_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "c/NCP/1/1").mkdir(parents=True)
    with pytest.raises(MedVLPError, match="hold no pictures"):
        cc_ccii.read(request(tmp_path / "c"))

"""Names, paths and damaged files: whatever the bytes, nothing but one clear error ever comes out."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.read import read_volume

RAS = np.diag([-1.0, -1.0, 1.0])
Save = Callable[..., Path]
FORMATS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
QUIET = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_reading_takes_little_more_memory_than_the_result(save: Save, tmp_path: Path, dtype: str) -> None:
    array = np.random.default_rng(0).normal(size=(192, 192, 128)).astype(dtype) * 100
    path = save(tmp_path / "scan.nii", array.astype(dtype))
    read_volume(path)
    tracemalloc.start()
    try:
        volume = read_volume(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * volume.array.nbytes


def test_a_file_without_ending_is_recognised_by_its_first_bytes(
    save: Save, tmp_path: Path, body: NDArray[np.int16]
) -> None:
    for ending in (".nrrd", ".mha"):
        save(tmp_path / f"scan{ending}", body).rename(tmp_path / "scan")
        np.testing.assert_array_equal(read_volume(tmp_path / "scan").array, body)
    save(tmp_path / "scan.nii", body).rename(tmp_path / "scan")
    with pytest.raises(MedVLPError, match="right ending"):  # nibabel goes by the name
        read_volume(tmp_path / "scan")


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", ["scan mit leer zeichen", "Schädel-αβγ-頭部-🧠", "l" * 200])
def test_odd_names(save: Save, tmp_path: Path, body: NDArray[np.int16], ending: str, name: str) -> None:
    folder = tmp_path / name[:100] / name[:100]
    folder.mkdir(parents=True)
    np.testing.assert_array_equal(read_volume(save(folder / f"{name}{ending}", body)).array, body)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    for path in (tmp_path / "no.nii", tmp_path / "no" / "such.nrrd", tmp_path / "a\0b.nii"):
        with pytest.raises(MedVLPError, match="does not exist"):
            read_volume(path)
    with pytest.raises(MedVLPError, match=r"too long"):
        read_volume(tmp_path / ("x" * 5000))


def test_half_a_pair(save: Save, tmp_path: Path, body: NDArray[np.int16]) -> None:
    save(tmp_path / "scan.img", body)
    (tmp_path / "scan.hdr").unlink()
    with pytest.raises(MedVLPError, match=r"its \.hdr file"):
        read_volume(tmp_path / "scan.img")
    path = save(tmp_path / "scan.mhd", body)
    (tmp_path / "scan.raw").unlink()
    with pytest.raises(MedVLPError, match="missing or too short"):
        read_volume(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("keep", [0.0, 0.05, 0.5, 0.99])
def test_truncated_files(
    save: Save, tmp_path: Path, body: NDArray[np.int16], ending: str, keep: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / f"scan{ending}", body)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(MedVLPError) as caught:
        read_volume(path)
    assert path.name in caught.value.cause and caught.value.remedy
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_files_of_another_kind(tmp_path: Path) -> None:
    contents = {"a.txt": b"hello", "b.png": b"\x89PNG\r\n\x1a\n" + bytes(400), "c.nii": b"hello" * 100}
    contents |= {"d.nii.gz": b"hello" * 100, "e.nrrd": b"hello" * 100, "f.mha": b"hello" * 100, "g.dcm": b"hello" * 100}
    contents |= {"h.nii.gz": gzip.compress(b"hello" * 100), "i.zip": b"PK\x03\x04" + bytes(200)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MedVLPError) as caught:
            read_volume(tmp_path / name)
        assert name in caught.value.cause and caught.value.remedy


@QUIET
@given(
    data=st.binary(max_size=600),
    head=st.sampled_from(
        [b"", b"NRRD0004\n", b"ObjectType = Image\nNDims = 3\n", b"\x5c\x01\0\0", bytes(128) + b"DICM"]
    ),
    ending=st.sampled_from([*FORMATS, ".dcm", ".hdr", ".bin"]),
)
@example(data=bytes(600), head=b"", ending=".nii")
def test_any_bytes_give_a_clear_error(tmp_path: Path, data: bytes, head: bytes, ending: str) -> None:
    path = tmp_path / f"fuzz{ending}"
    path.write_bytes(head + data)
    with pytest.raises(MedVLPError) as caught:
        read_volume(path)
    assert caught.value.remedy


@settings(QUIET, max_examples=80)
@given(
    ending=st.sampled_from([".nii", ".nrrd", ".mha"]),
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6),
)
@example(ending=".nii", changes=[(0, 0)])
def test_damaged_headers_never_escape(
    save: Save, tmp_path: Path, body: NDArray[np.int16], ending: str, changes: list[tuple[int, int]]
) -> None:
    path = save(tmp_path / f"damaged{ending}", body)
    data = bytearray(path.read_bytes())
    for where, value in changes:
        data[where] = value
    path.write_bytes(bytes(data))
    try:
        volume = read_volume(path)
    except MedVLPError:
        return
    assert np.isfinite(volume.array).all() and np.isfinite(volume.affine).all()
    assert abs(np.linalg.det(volume.affine[:3, :3])) > 0

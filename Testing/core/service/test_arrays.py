"""Voxels through a file: the same values, place by place, and no file left; nothing outside the folder is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.arrays import discard, take_array, write_array
from vlp3d_core.service.protocol import Garbage, pack, unpack

TYPES = ["?", "u1", "i1", "<i2", ">i2", "<u2", "<i4", "<u4", "<i8", ">u8", "<f2", "<f4", ">f4", "<f8"]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SAME_FOLDER
@given(
    array=hnp.arrays(st.sampled_from(TYPES), hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)),
    axes=st.permutations([0, 1, 2]),
    flips=st.sets(st.integers(0, 2)),
    step=st.integers(1, 2),
)
def test_any_array_comes_back(tmp_path: Path, array: Any, axes: list[int], flips: set[int], step: int) -> None:
    view = np.flip(array.transpose(axes)[::step], tuple(flips))
    told = unpack(pack(write_array(tmp_path, "v1.raw", view)))
    back = take_array(tmp_path, told)
    np.testing.assert_array_equal(back, view)
    assert back.dtype == (np.uint8 if array.dtype.kind == "b" else array.dtype.newbyteorder("<"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_memory_order_is_kept(tmp_path: Path, order: Any) -> None:
    array = np.zeros((3, 4, 5), np.int16, order=order)
    back = take_array(tmp_path, write_array(tmp_path, "v1.raw", array))
    assert back.strides == array.strides


def test_what_is_written_into_it_stays_here(tmp_path: Path) -> None:
    back = take_array(tmp_path, write_array(tmp_path, "v1.raw", np.zeros((2, 2, 2), np.uint8)))
    back[0, 0, 0] = 7
    assert back.sum() == 7


def test_long_doubles_become_doubles(tmp_path: Path) -> None:
    back = take_array(tmp_path, write_array(tmp_path, "v1.raw", np.ones((2, 2, 2), np.longdouble)))
    assert back.dtype == np.float64 and (back == 1).all()


@pytest.mark.parametrize("kind", [np.complex64, "S3", [("r", "u1"), ("g", "u1")]])
def test_what_is_no_number_is_refused(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(MedVLPError, match="one real number"):
        write_array(tmp_path, "v1.raw", np.zeros((2, 2, 2), kind))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="cannot be written"):
        write_array(tmp_path / "gone", "v1.raw", np.zeros((2, 2, 2), np.uint8))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open  # the real file system call, on a device that is always full
    monkeypatch.setattr(Path, "open", lambda self, mode: full("/dev/full", "wb"))
    with pytest.raises(MedVLPError, match="No space left"):
        write_array(tmp_path, "v1.raw", np.zeros((40, 40, 40), np.uint8))


GOOD: dict[str, Any] = {"file": "v1.raw", "type": "<i2", "shape": [2, 3, 4], "axes": [2, 1, 0]}


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../v1.raw"},
        {"file": "/etc/passwd"},
        {"file": "sub/v1.raw"},
        {"file": "sub\\v1.raw"},
        {"file": "C:v1.raw"},
        {"file": ".raw"},
        {"file": "v1.raw\n"},
        {"file": "owner.lock"},
        {"file": None},
        {"file": "v2.raw"},
        {"type": "O"},
        {"type": "|V8"},
        {"type": ">i2"},
        {"type": "<i4"},
        {"shape": [2, 3]},
        {"shape": [2, 3, 4.0]},
        {"shape": [2, 3, True]},
        {"shape": [2, -3, -4]},
        {"shape": [0, 3, 4]},
        {"shape": [2, 3, 1 << 60]},
        {"shape": [2, 3, 5]},
        {"axes": [0, 1, 1]},
        {"axes": [0, 1, 3]},
        {"axes": "012"},
        {"axes": None},
    ],
)
def test_what_is_told_wrongly_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "owner.lock").touch()
    (tmp_path / "v1.raw").write_bytes(bytes(48))
    (folder / "v1.raw").write_bytes(bytes(48))
    assert take_array(folder, GOOD).shape == (2, 3, 4)
    (folder / "v1.raw").write_bytes(bytes(48))
    with pytest.raises(Garbage):
        take_array(folder, GOOD | change)
    assert (tmp_path / "v1.raw").exists() and (folder / "owner.lock").exists()


@settings(SAME_FOLDER, max_examples=40)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_anything_else_is_refused_too(tmp_path: Path, told: Any) -> None:
    with pytest.raises(Garbage):
        take_array(tmp_path, told)


def test_discarding_deletes_what_a_message_names(tmp_path: Path) -> None:
    kept, gone = tmp_path / "owner.lock", tmp_path / "r1.raw"
    outside = tmp_path.parent / "r1.raw"
    for path in (kept, gone, outside):
        path.touch()
    names: list[Any] = ["../r1.raw", "owner.lock", "r2.raw", 3]
    discard(tmp_path, {"a": [{"file": name} for name in names], "b": {"c": {"file": "r1.raw"}}})
    assert kept.exists() and outside.exists() and not gone.exists()

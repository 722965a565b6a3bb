"""Arrays in blocks: what is written is what any patch of it reads, and a damaged file is one sentence."""

from __future__ import annotations

from pathlib import Path

import blosc2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.chunks import open_chunks, write_chunks
from vlp3d_core.volume.cut import cut

SHAPES = st.tuples(*(st.integers(1, 150) for _ in range(3)))


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 2**31), st.sampled_from(["float16", "uint8"]))
def test_every_patch_is_that_of_the_array(shape: tuple[int, int, int], seed: int, kind: str) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    array = (100 * rng.random(shape)).astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.b2nd"
        write_chunks(path, array)
        opened = open_chunks(path)
        assert opened.shape == shape and opened.dtype == array.dtype
        assert np.array_equal(opened[:], array)
        centre = rng.integers(-20, 170, 3)
        assert np.array_equal(cut(opened, centre, (40, 24, 33), 7), cut(array, centre, (40, 24, 33), 7))


def test_a_patch_reads_few_blocks(tmp_path: Path) -> None:
    write_chunks(tmp_path / "a.b2nd", np.random.default_rng(0).random((256, 256, 256)).astype(np.float16))
    opened = open_chunks(tmp_path / "a.b2nd")
    assert opened.chunks == (128, 128, 128) and opened.blocks == (32, 32, 32)
    assert isinstance(opened, blosc2.NDArray), "nothing is read before it is asked for"


@pytest.mark.parametrize("damage", [b"", b"not a frame", None])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "a.b2nd"
    write_chunks(path, np.zeros((40, 40, 40), np.float16))
    path.write_bytes(path.read_bytes()[:50] if damage is None else damage)
    with pytest.raises(MedVLPError, match=r"a\.b2nd cannot be read"):
        open_chunks(path)

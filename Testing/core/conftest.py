"""What the engine's tests share: one phantom of each region and one small model, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp3d_core.phantom import Phantom, make_phantom
from vlp3d_core.volume import Volume


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """A trunk at 6 mm (kidneys, liver and spleen in view). Do not change its arrays."""
    made = make_phantom(7, "trunk", spacing=(6, 6, 6))
    for array in (made.volume.array, made.labels):
        array.setflags(write=False)
    return made


@pytest.fixture(scope="session")
def head_neck_phantom() -> Phantom:
    """A head and neck at 6×6×4 mm. Do not change its arrays."""
    made = make_phantom(7, "head-neck", spacing=(6, 6, 4))
    for array in (made.volume.array, made.labels):
        array.setflags(write=False)
    return made


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real bundle ("ct-tiny") that takes bands of HU for structures; see `Testing/core/tiny.py`.

    It knows trachea, parotid_gland_left, parotid_gland_right, brainstem, spinal_cord, mandible and skull at 4 mm,
    finds all of them in `toy_head`, and some of them by accident of HU in the phantoms. Its parent folder holds
    nothing else, so that `MEDVLP_MODELS=tiny_bundle.parent` makes it known by name. Do not change it: copy it.
    """
    from Testing.core.tiny import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "ct-tiny").folder


@pytest.fixture
def toy_head() -> Volume:
    """A CT of 42×40×38 voxels (4 mm) with one box of each structure that `tiny_bundle` knows, in fat, in air."""
    from Testing.core.tiny import toy_head

    return toy_head()

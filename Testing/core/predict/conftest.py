"""The tiny model, loaded, and the toy head after its one pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp3d_core.predict import LoadedModel, load_model
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.volume import Volume


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> LoadedModel:
    return load_model(tiny_bundle, "cpu")


@pytest.fixture
def encoded(model: LoadedModel, toy_head: Volume) -> Encoded:
    return model.encode(toy_head)

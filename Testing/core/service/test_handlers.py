"""Requests done in this process: where a cancel is heard, and what memory errors become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.core.tiny import BANDS, toy_grid, write_tiny_bundle
from Testing.core.tiny import toy_head as make_toy_head
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.predict import LoadedModel
from vlp3d_core.predict.encode import embed
from vlp3d_core.service.arrays import take_array, write_array
from vlp3d_core.service.failure import explain, out_of_memory
from vlp3d_core.service.handlers import Handlers
from vlp3d_core.service.protocol import Request
from vlp3d_core.service.shelf import Shelf
from vlp3d_core.volume import Volume


@pytest.fixture
def handlers(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Handlers:
    monkeypatch.setenv("MEDVLP_MODELS", str(tiny_bundle.parent))
    return Handlers(tmp_path, Shelf(tmp_path))


def arrive(handlers: Handlers, volume: Volume, number: int = 1) -> None:
    array = write_array(handlers.folder, f"v{number}.raw", volume.array)
    place = {"affine": volume.affine.ravel().tolist(), "modality": volume.modality, "notes": []}
    handlers.shelf.put(number, {"array": array, **place})


def never() -> bool:
    return False


def test_volumes_are_gone_from_the_folder_when_they_have_arrived(handlers: Handlers, toy_head: Volume) -> None:
    arrive(handlers, toy_head)
    assert list(handlers.folder.iterdir()) == []
    kept = handlers.shelf.get(1)
    assert np.array_equal(kept.volume().array, toy_head.array) and kept.volume().array.dtype == np.float32
    handlers.shelf.release(1)
    with pytest.raises(MedVLPError, match="not here any more"):
        handlers.shelf.get(1)


STAGES = [
    ("segment", "preparing"),
    ("segment", "encoding"),
    ("segment", "cleaning"),
    ("segment", "resampling"),
    ("encode", "encoding"),
    ("find", "encoding"),
    ("find", "searching"),
    ("likeness", "encoding"),
]


@pytest.mark.parametrize(("do", "stage"), STAGES)
def test_a_cancel_is_heard_at_every_stage(handlers: Handlers, do: str, stage: str) -> None:
    """The wish to stop comes right after the stage was announced; nothing but that stage may follow."""
    head = make_toy_head(toy_grid((2.0, 2.0, 2.0)))
    arrive(handlers, head)
    arrive(handlers, head.with_array(np.maximum(head.array, 0)), 2)
    seen: list[str] = []
    request = Request(1, do, 1, "ct-tiny", "cpu", text="mandible", tile=56, mask=2)
    with pytest.raises(Cancelled):
        handlers.work(request, lambda m: seen.append(m["stage"]), lambda: stage in seen)
    assert seen[-1] == stage
    assert list(handlers.folder.iterdir()) == []
    result = handlers.work(request, lambda m: None, never)
    assert result


def test_a_cancel_while_a_model_loads(handlers: Handlers, toy_head: Volume) -> None:
    arrive(handlers, toy_head)
    seen: list[dict[str, Any]] = []
    with pytest.raises(Cancelled):
        handlers.work(Request(1, "segment", 1, "ct-tiny", "cpu"), seen.append, lambda: bool(seen))
    assert seen == [{"stage": "loading", "fraction": 0.0, "remaining": None}]


def test_a_cancel_in_the_middle_of_a_tile(engine: LoadedModel) -> None:
    asked = []

    def cancel() -> bool:
        asked.append(True)
        return len(asked) == 5

    network, device = engine.ready.network, engine.ready.device
    patch = np.zeros((16, 16, 16), np.float32)
    with pytest.raises(Cancelled):
        embed(network, device, patch, cancel)
    assert len(asked) == 5
    embed(network, device, patch)
    assert len(asked) == 5, "a hook has stayed"


def test_a_model_that_was_replaced_is_loaded_again(
    handlers: Handlers, toy_head: Volume, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path_factory.mktemp("replaced")
    monkeypatch.setenv("MEDVLP_MODELS", str(models))
    arrive(handlers, toy_head)
    request = Request(1, "segment", 1, "ct-tiny", "cpu")
    found = []
    for minimum in (0.0, 1e6):
        concepts = [{"id": name, "min_ml": minimum} for name in BANDS]
        write_tiny_bundle(models / "ct-tiny", concepts=concepts, field={"anchors": []})
        result = handlers.work(request, lambda m: None, never)
        take_array(handlers.folder, result["labels"])
        found.append(next(row["found"] for row in result["segments"] if row["concept"] == "mandible"))
    assert found == [True, False]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image."),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("std::bad_alloc"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."),
    ],
)
def test_memory_errors_of_all_kinds(error: BaseException) -> None:
    assert out_of_memory(error)
    told = explain(error)
    assert "not enough memory" in told.cause and told.remedy


def test_other_errors_say_what_they_are() -> None:
    assert not out_of_memory(RuntimeError("shape mismatch"))
    assert explain(RuntimeError("shape\nmismatch.")).cause == "The worker failed: RuntimeError: shape mismatch."
    assert "package nibabel is not installed" in explain(ModuleNotFoundError("…", name="nibabel.spatial")).cause
    assert explain(ImportError("libcuda.so: cannot open.")).cause.endswith("cannot be loaded: libcuda.so: cannot open.")


def test_the_model_that_fits_is_told(handlers: Handlers, toy_head: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(handlers, toy_head)
    bundles = [handlers.models.bundle("ct-tiny")]
    monkeypatch.setattr("vlp3d_core.model.registry.list_bundles", lambda: bundles)
    told = handlers.work(Request(1, "choose", 1, None, "cpu"), lambda m: None, never)
    assert told == {"model": "ct-tiny", "reason": "ct-tiny: CT, spacing 4 x 4 x 4 mm, the only model"}
    arrive(handlers, replace(toy_head, modality="PT"), 2)
    with pytest.raises(MedVLPError, match="No installed model fits"):
        handlers.work(Request(2, "choose", 2, None, "cpu"), lambda m: None, never)

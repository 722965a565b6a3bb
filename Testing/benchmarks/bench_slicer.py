"""The Slicer module's logic on slicer-core: results into the scene, and a query from call to answer."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from Testing.benchmarks.patient import model_bundle, patient_file
from Testing.benchmarks.table import Row

SHAPE = (200, 256, 256)
STRUCTURES = 20
SCENE_LIMIT_S = 1.5
FIND_LIMIT_MS = 150.0


def slicer_logic(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """20 structures into the scene without and with surfaces, and the median query on an encoded volume."""
    if find_spec("slicer") is None:
        say("slicer: left out, slicer-core is not installed")
        return []
    sys.path.insert(0, str(Path(__file__).parents[2] / "MedVLPSegment"))
    from Testing.slicer.host import make_scene

    scene = make_scene(folder)
    return [*_into_the_scene(scene, say), *_queries(scene, folder, say)]


def _into_the_scene(scene: Any, say: Callable[[str], None]) -> list[Row]:
    from MedVLPLib.Volumes import volumeFromNode
    from MedVLPSegmentLib.Segments import addSegmentation, createSurfaces
    from Testing.slicer.results import segmentation_of
    from vlp3d_core.text.concepts import concepts

    say(f"slicer: {STRUCTURES} structures")
    labels = np.zeros(SHAPE, np.uint8, order="F")
    for n in range(STRUCTURES):
        i, j = divmod(n, 5)
        labels[10 + 45 * i : 45 + 45 * i, 10 + 48 * j : 50 + 48 * j, 30:220] = n + 1
    node = _volume(scene, np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16), np.eye(4))
    result = segmentation_of(volumeFromNode(node), labels, list(concepts())[:STRUCTURES])
    start = time.perf_counter()
    added = addSegmentation(result, node, surfaces=False)
    without = time.perf_counter() - start
    start = time.perf_counter()
    createSurfaces(added.node)
    name = f"results into the scene, {'×'.join(map(str, SHAPE))}"
    return [
        Row(name, f"{STRUCTURES} structures without surfaces, s", without, SCENE_LIMIT_S, digits=2),
        Row(name, "their surfaces, s", time.perf_counter() - start, digits=2),
    ]


def _queries(scene: Any, folder: Path, say: Callable[[str], None]) -> list[Row]:
    from MedVLPSegmentLib.Logic import SegmentLogic
    from vlp3d_core.text.concepts import concepts
    from vlp3d_core.volume import read_volume

    path, what = patient_file(folder)
    bundle = model_bundle(folder)
    volume = read_volume(path, modality="CT")
    node = _volume(scene, volume.array, volume.affine)
    logic = SegmentLogic(scene=scene)
    say(f"slicer: encoding {what}")
    model = str(bundle.folder)
    logic.wait(logic.encode(node, model=model, device="cpu"))
    texts = [concepts()[name].name for name in bundle.concepts]
    seconds = []
    for text in [texts[0], *texts]:
        start = time.perf_counter()
        logic.wait(logic.find(node, text, model=model, device="cpu"))
        seconds.append(time.perf_counter() - start)
    logic.close()
    name = f"find in the logic, {what}"
    return [
        Row(name, "median from call to answer, ms", 1e3 * statistics.median(seconds[1:]), FIND_LIMIT_MS),
        Row(name, "slowest, ms", 1e3 * max(seconds[1:])),
    ]


def _volume(scene: Any, array: Any, affine: Any) -> Any:
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.transpose(2, 1, 0)))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(affine))
    return node

"""A scene as in Slicer, and volumes in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
MakeVolume = Callable[..., Any]


@pytest.fixture(scope="module")
def whole_scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One scene a module: making it and its logics takes a while."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    from Testing.slicer.host import make_scene

    return make_scene(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def scene(whole_scene: Any) -> Iterator[Any]:
    """The module's scene, empty."""
    import slicer

    whole_scene.Clear(0)
    slicer.mrmlScene = whole_scene
    yield whole_scene
    whole_scene.Clear(0)


@pytest.fixture
def make_volume(scene: Any) -> MakeVolume:
    """A function that shows an array (I, J, K) as a volume node; `matrix` is index → the node's own RAS."""

    import slicer

    def make(
        array: NDArray[Any] | None = None,
        matrix: Matrix | None = None,
        name: str = "CT",
        kind: str = "vtkMRMLScalarVolumeNode",
    ) -> Any:
        node = scene.AddNewNodeByClass(kind, name)
        if array is None:
            array = np.random.default_rng(0).integers(-900, 900, (12, 10, 8)).astype(np.int16)
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.swapaxes(array, 0, 2)))
        if matrix is not None:
            node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
        return node

    return make


@pytest.fixture
def put_under(scene: Any) -> Callable[..., Any]:
    """A function that puts a node under a chain of linear transforms, the outermost last; returns their nodes."""

    import slicer

    def put(node: Any, *matrices: Matrix) -> list[Any]:
        made = []
        for matrix in matrices:
            transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Move")
            transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
            node.SetAndObserveTransformNodeID(transform.GetID())
            made.append(transform)
            node = transform
        return made

    return put


@pytest.fixture
def in_subject(scene: Any) -> Callable[[Any], int]:
    """A function that gives a node a place in a study of the subject hierarchy; returns the study's item."""

    import slicer

    def place(node: Any) -> int:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
        study = hierarchy.CreateStudyItem(patient, "Study")
        hierarchy.CreateItem(study, node)
        return int(study)

    return place


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `MEDVLP_MODELS` that holds one real bundle, "ct-tiny" (`Testing/core/tiny.py`)."""
    from Testing.core.tiny import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "ct-tiny").folder.parent


@pytest.fixture(scope="session")
def worker(tiny_models: Path) -> Iterator[Any]:
    """A real worker that knows the tiny model; one for all tests, because it loads torch. Do not end it."""
    from vlp3d_core.service.client import Worker

    made = Worker(environment={**os.environ, "MEDVLP_MODELS": str(tiny_models), "OMP_NUM_THREADS": "1"})
    yield made
    made.close()


@pytest.fixture
def logic(scene: Any, worker: Any) -> Iterator[Any]:
    """The logic with the shared worker; its runs are ended."""
    from MedVLPSegmentLib.Logic import SegmentLogic
    from Testing.slicer.toy import TIMEOUT
    from vlp3d_core.errors import MedVLPError

    made = SegmentLogic(worker, scene)
    yield made
    made.cancelAll()
    for run in made.runs:
        with pytest.raises(MedVLPError):
            made.wait(run, TIMEOUT)
    made._watch.end()  # the worker goes on: others use it


@pytest.fixture
def head(make_volume: Callable[..., Any]) -> Any:
    """The toy head as a volume node."""
    from Testing.core.tiny import toy_head

    volume = toy_head()
    return make_volume(volume.array.astype(np.int16), volume.affine, "Head")

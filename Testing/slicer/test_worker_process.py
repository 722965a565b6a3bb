"""The worker's process ends, and Slicer's own stays light."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPSegmentLib.Logic import SegmentLogic  # noqa: E402
from Testing.slicer.toy import TIMEOUT  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402
from vlp3d_core.service.client import Worker  # noqa: E402

ROOT = Path(__file__).parents[2]


def test_a_dead_worker_is_one_sentence_and_comes_back(scene: Any, head: Any, tiny_models: Path) -> None:
    import psutil

    worker = Worker(environment={**os.environ, "MEDVLP_MODELS": str(tiny_models)})
    logic = SegmentLogic(worker, scene)
    before = {child.pid for child in psutil.Process().children()}
    logic.wait(logic.models(), TIMEOUT)  # starts the process, without torch
    (process,) = [child for child in psutil.Process().children() if child.pid not in before]
    run = logic.segment(head, model="ct-tiny")
    process.kill()
    with pytest.raises(MedVLPError) as error:
        logic.wait(run, TIMEOUT)
    assert run.state == "failed" and error.value.remedy and logic.runs == ()
    assert logic.wait(logic.models(), TIMEOUT)
    logic.close()


def test_close_ends_everything(scene: Any, head: Any) -> None:
    logic = SegmentLogic(Worker(), scene)
    ended: list[str] = []
    logic.segment(head, model="ct-tiny", onEnd=lambda run: ended.append(run.state))
    worker = logic.worker
    logic.close()
    logic.close()
    assert ended == ["cancelled"] and not worker.running and logic.runs == ()
    scene.Clear(0)


def test_slicers_process_stays_light() -> None:
    """Neither importing the logic nor using volumes and segments loads torch or another of the engine's libraries."""
    code = (
        "import sys, pathlib, tempfile, numpy as np, slicer\n"
        "from Testing.slicer.host import make_scene\n"
        "scene = make_scene(pathlib.Path(tempfile.mkdtemp()))\n"
        "from MedVLPLib import Volumes\n"
        "from MedVLPSegmentLib import Export, Logic, Regions, Results, Segments, Table\n"
        "node = scene.AddNewNodeByClass('vtkMRMLScalarVolumeNode', 'CT')\n"
        "slicer.util.updateVolumeFromArray(node, np.random.default_rng(0).integers(-900, 900, (9, 8, 7)).astype('h'))\n"
        "Volumes.volumeFromNode(node)\n"
        "heavy = {'torch', 'monai', 'transformers', 'scipy', 'SimpleITK', 'nibabel', 'pydicom', 'psutil', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "MedVLPSegment")])},
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]", done.stdout

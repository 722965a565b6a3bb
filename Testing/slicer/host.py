"""What Slicer's application gives to a module and the package slicer-core lacks: a scene, and logics by name.

The classes are Slicer's own; only the place where modules look for them (`slicer.mrmlScene`, `slicer.modules`) is made
here. There is no application, no Qt and no panel.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import slicer

LOGICS = {
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "sequences": "vtkSlicerSequencesLogic",
}
"""Module name → class of its logic. Making one also registers the nodes and file formats of its module."""


def make_scene(cache: Path) -> Any:
    """A new scene as `slicer.mrmlScene`, with the logics as `slicer.modules.<name>.logic()`.

    Args:
        cache: an empty folder, which reading a scene bundle (.mrb) unpacks into.
    """
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote.SetMRMLScene(scene)
    scene.SetCacheManager(remote.GetCacheManager())
    scene.SetDataIOManager(remote.GetDataIOManager())
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLApplicationLogic(application)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    slicer.modules = types.SimpleNamespace()
    kept = [application, remote, manager]
    for name, class_name in LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(name.capitalize(), logic)
        setattr(slicer.modules, name, types.SimpleNamespace(logic=lambda logic=logic: logic))
        kept.append(logic)
    slicer.mrmlScene = scene
    slicer.modules.kept = kept  # they end with the scene's place in `slicer`, not before
    return scene

"""Tells when the scene closes and when a node leaves it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk


class SceneWatch:
    """Observes a scene until `end`, without keeping alive the object whose methods it calls.

    Args:
        scene: a vtkMRMLScene.
        closing: bound method, called before the nodes go.
        leaving: bound method, called with the id of a node that is about to be removed.
    """

    def __init__(self, scene: Any, closing: Callable[[], None], leaving: Callable[[str], None]) -> None:
        self._scene = scene
        weakClosing, weakLeaving = weakref.WeakMethod(closing), weakref.WeakMethod(leaving)

        def onClosing(caller: Any, event: str) -> None:
            call = weakClosing()
            if call is not None:
                call()

        def onLeaving(caller: Any, event: str, node: Any) -> None:
            call = weakLeaving()
            if call is not None and node is not None:
                call(node.GetID())

        onLeaving.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
        self._observers = [
            scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, onClosing),
            scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, onLeaving),
        ]

    def end(self) -> None:
        """Stop observing; may be called twice."""
        for observer in self._observers:
            self._scene.RemoveObserver(observer)
        self._observers = []

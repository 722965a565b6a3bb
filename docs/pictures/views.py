"""Slice views and a 3D view of Slicer's own view classes (slicer-core): no application, no display."""

from __future__ import annotations

import os
from typing import Any

# Before VTK makes its first window: draw in memory (EGL), never on a screen.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

Picture = NDArray[np.uint8]
"""RGB, shape (rows, columns, 3), the top row first."""

SKY = ((0.757, 0.765, 0.910), (0.455, 0.471, 0.745))
"""The colours of Slicer's 3D view, bottom and top."""


def sliceView(
    application: Any, volume: Any, orientation: str, centre: tuple[float, float, float], width_mm: float, edge: int
) -> Picture:
    """One slice of a volume with the segments of its scene on it.

    Args:
        application: the scene's vtkSlicerApplicationLogic.
        volume: the background volume node.
        orientation: "Axial", "Coronal" or "Sagittal".
        centre: RAS mm, in the middle of the picture.
        width_mm, edge: the picture's edge in mm and in pixels.
    """
    scene = volume.GetScene()
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    node = logic.AddSliceNode(scene.GenerateUniqueName(orientation))  # a second view of the same node would not update
    node.SetOrientation(orientation)
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    logic.ResizeSliceNode(edge, edge)
    node.SetFieldOfView(width_mm, width_mm, 1.0)
    node.JumpSliceByCentering(*centre)
    logic.UpdatePipeline()

    window = _window(edge, edge)
    back, front = vtk.vtkRenderer(), vtk.vtkRenderer()
    window.SetNumberOfLayers(2)
    front.SetLayer(1)  # what is drawn on a slice lies on a renderer of its own, as in Slicer
    window.AddRenderer(back)
    window.AddRenderer(front)
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    image = vtk.vtkActor2D()
    image.SetMapper(mapper)
    back.AddViewProp(image)
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    managers = _managers(factory, application, front, ["vtkMRMLSegmentationsDisplayableManager2D"])
    managers.SetMRMLDisplayableNode(node)
    return _shot(window)


def threeDView(
    application: Any, scene: Any, direction: tuple[float, float, float], zoom: float, size: tuple[int, int]
) -> Picture:
    """The surfaces of a scene's segmentations and models, seen from a direction in RAS; zoom 1 shows them all."""
    node = scene.AddNewNodeByClass("vtkMRMLViewNode", "View")
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    window = _window(*size)
    window.SetAlphaBitPlanes(True)  # for transparent surfaces
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(*SKY[0])
    renderer.SetBackground2(*SKY[1])
    renderer.GradientBackgroundOn()
    renderer.UseDepthPeelingOn()
    renderer.UseFXAAOn()
    window.AddRenderer(renderer)
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    names = ["vtkMRMLModelDisplayableManager", "vtkMRMLSegmentationsDisplayableManager3D"]
    managers = _managers(factory, application, renderer, names)
    managers.SetMRMLDisplayableNode(node)
    window.Render()
    renderer.ResetCamera()
    camera = renderer.GetActiveCamera()
    camera.SetPosition(*(np.add(camera.GetFocalPoint(), np.multiply(direction, camera.GetDistance()))))
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(zoom)
    renderer.ResetCameraClippingRange()
    return _shot(window)


def _managers(factory: Any, application: Any, renderer: Any, names: list[str]) -> Any:
    factory.SetMRMLApplicationLogic(application)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    return factory.InstantiateDisplayableManagers(renderer)


def _window(width: int, height: int) -> Any:
    window = vtk.vtkRenderWindow()
    window.OffScreenRenderingOn()
    window.SetSize(width, height)
    window.SetMultiSamples(0)
    interactor = vtk.vtkRenderWindowInteractor()  # displayable managers ask for one
    interactor.SetRenderWindow(window)
    return window


def _shot(window: Any) -> Picture:
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    columns, rows, _one = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3]
    return np.ascontiguousarray(pixels)

"""Label arrays as Slicer's oriented images."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from MedVLPLib.Matrices import toNumpy, toVtk

BINARY = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
SURFACE = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()


def orientedLabelmap(labels: NDArray[Any], affine: NDArray[np.float64], start: tuple[int, int, int] = (0, 0, 0)) -> Any:
    """A vtkOrientedImageData of the part of `labels` that is not 0; its extent says where the part lies in the grid.

    Args:
        labels: uint8 or uint16, shape (I, J, K), not all 0.
        affine: index of the grid → RAS mm of the node that will hold it.
        start: index in the grid of the array's first voxel.
    """
    box = [_span(labels, axis) for axis in range(3)]
    part = np.asarray(labels[tuple(slice(low, high + 1) for low, high in box)])
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(edge + start[axis] for axis, span in enumerate(box) for edge in span))
    kind = vtk.VTK_UNSIGNED_CHAR if part.dtype == np.uint8 else vtk.VTK_UNSIGNED_SHORT
    # (I, J, K) in Fortran order is VTK's order; `deep` because the array may be a file of the worker's.
    flat = part.astype(np.uint8 if part.dtype == np.uint8 else np.uint16, copy=False).ravel(order="F")
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True, array_type=kind))
    image.SetGeometryFromImageToWorldMatrix(toVtk(affine))
    return image


def labelArray(image: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The voxels of a vtkOrientedImageData, a view (I, J, K), and index of that array → RAS mm of its node."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = toNumpy(matrix)
    affine[:3, 3] += affine[:3, :3] @ np.array(image.GetExtent()[::2], float)
    scalars = image.GetPointData().GetScalars()
    if scalars is None or min(image.GetDimensions()) < 1:
        return np.zeros((0, 0, 0), np.uint8), affine
    return vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]).transpose(), affine


def layersOf(segmentation: Any) -> list[tuple[Any, dict[int, str]]]:
    """The label maps of a vtkSegmentation: each image with its segments, label value → segment id."""
    layers = []
    for number in range(segmentation.GetNumberOfLayers(BINARY)):
        ids = segmentation.GetSegmentIDsForLayer(number, BINARY)
        byValue = {segmentation.GetSegment(i).GetLabelValue(): i for i in ids}
        layers.append((segmentation.GetLayerDataObject(number, BINARY), byValue))
    return layers


def _span(labels: NDArray[Any], axis: int) -> tuple[int, int]:
    others = tuple(a for a in range(3) if a != axis)
    filled = np.flatnonzero(labels.any(axis=others))
    return int(filled[0]), int(filled[-1])

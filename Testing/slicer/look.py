"""What Slicer itself says about segments: no code of the module is used here."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

BINARY = "Binary labelmap"


def segment_ids(node: Any) -> list[str]:
    """In their order."""
    content = node.GetSegmentation()
    return [content.GetNthSegmentID(n) for n in range(content.GetNumberOfSegments())]


def tag(segment: Any, name: str) -> str:
    """A segment's tag, "" where it has none."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def world_voxels(node: Any, segment_id: str) -> NDArray[np.float64]:
    """Centres of a segment's voxels in world RAS mm, through the node's transforms; shape (N, 3), sorted."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    image = segment.GetRepresentation(BINARY)
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    k, j, i = np.nonzero(array == segment.GetLabelValue())
    index = np.stack([i, j, k], axis=1) + np.array(image.GetExtent()[::2])
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return in_order(to_world(node, moved(index, slicer.util.arrayFromVTKMatrix(matrix))))


def volume_voxels(node: Any, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Centres of a volume's voxels where `mask` (I, J, K) is true, in world RAS mm; shape (N, 3), sorted."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return in_order(to_world(node, moved(np.argwhere(mask), slicer.util.arrayFromVTKMatrix(matrix))))


def to_world(node: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in the node's own coordinates → world, by Slicer's general transform."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    return np.array([transform.TransformPoint(*point) for point in points]).reshape(-1, 3)


def moved(points: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points through a 4×4 matrix."""
    out: NDArray[np.float64] = points @ matrix[:3, :3].T + matrix[:3, 3]
    return out


def in_order(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows sorted, so that two sets of points can be compared."""
    return points[np.lexsort(np.round(points, 2).T)]

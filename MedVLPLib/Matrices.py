"""4×4 matrices between VTK and NumPy, and where the transforms above a node put it."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError


def toNumpy(matrix: vtk.vtkMatrix4x4) -> NDArray[np.float64]:
    """The same matrix, float64 (4, 4)."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def toVtk(array: NDArray[np.float64]) -> vtk.vtkMatrix4x4:
    """The same matrix for VTK."""
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(array[row, column]))
    return matrix


def parentToWorld(node: Any) -> NDArray[np.float64]:
    """What all transforms above a node do together: its own coordinates → world, both RAS mm. Nothing above: identity.

    Raises:
        MedVLPError: one of the transforms is not linear.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise MedVLPError(
            _("'{name}' is moved by the transform '{transform}', which is not linear.").format(
                name=node.GetName(), transform=transform.GetName()
            ),
            _("Harden the transform (Data module, right click, Harden transform), or take the node out of it."),
        )
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return toNumpy(matrix)


def ijkToParent(volumeNode: Any) -> NDArray[np.float64]:
    """Index of the voxel array → the volume node's own RAS mm, before its parent transforms.

    The array starts at the image's extent, which is not always 0.
    """
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    affine = toNumpy(matrix)
    affine[:3, 3] += affine[:3, :3] @ np.array(volumeNode.GetImageData().GetExtent()[::2], float)
    return affine


def ijkToWorld(volumeNode: Any) -> NDArray[np.float64]:
    """Index of the voxel array → world, RAS mm: where the volume is shown.

    Raises:
        MedVLPError: a transform above it is not linear.
    """
    world: NDArray[np.float64] = parentToWorld(volumeNode) @ ijkToParent(volumeNode)
    return world

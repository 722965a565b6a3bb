"""A marked cube, whatever the grid and the transforms: segments lie where the volume shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from Testing.slicer.look import volume_voxels, world_voxels  # noqa: E402
from Testing.slicer.results import segmentation_of  # noqa: E402

Matrix = NDArray[np.float64]
ANGLE = st.floats(-180, 180)
STEP = st.floats(0.3, 4)
SHIFT = st.floats(-300, 300)
CUBE = np.zeros((9, 8, 7), bool)
CUBE[2:5, 1:4, 3:6] = True
CUBE[2, 1, 3] = False  # a corner is missing: no flip or turn leaves it as it is


@st.composite
def grids(draw: st.DrawFn) -> Matrix:
    """Index → RAS: any orientation, left-handed or not, any spacing."""
    turn = Rotation.from_euler("xyz", [draw(ANGLE) for _ in range(3)], degrees=True).as_matrix()
    flips = [draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)]
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([draw(STEP) * flip for flip in flips])
    matrix[:3, 3] = [draw(SHIFT) for _ in range(3)]
    return matrix


@st.composite
def moves(draw: st.DrawFn) -> Matrix:
    """A transform node's matrix: rotation, shift, and scaling alike in all directions."""
    matrix = np.eye(4)
    turn = Rotation.from_euler("xyz", [draw(ANGLE) for _ in range(3)], degrees=True).as_matrix()
    matrix[:3, :3] = draw(st.floats(0.7, 1.4)) * turn
    matrix[:3, 3] = [draw(SHIFT) for _ in range(3)]
    return matrix


def shown(scene: Any, grid: Matrix, transforms: list[Matrix]) -> Any:
    """A volume node with a bright cube, under nested transforms."""
    scene.Clear(0)
    array = np.random.default_rng(0).integers(-900, 100, CUBE.shape).astype(np.int16)
    array[CUBE] = 1000
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(array.transpose(2, 1, 0)))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(grid))
    node = volume
    for matrix in transforms:
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Move")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        node.SetAndObserveTransformNodeID(transform.GetID())
        node = transform
    return volume


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grid=grids(), transforms=st.lists(moves(), max_size=2), chosen=st.none() | moves())
def test_the_marked_cube(whole_scene: Any, grid: Matrix, transforms: list[Matrix], chosen: Matrix | None) -> None:
    """Into a new segmentation, and into a chosen one that is under a transform of its own."""
    volume_node = shown(whole_scene, grid, transforms)
    volume = volumeFromNode(volume_node)
    labels = (volume.array >= 1000).astype(np.uint8)
    place = np.argwhere(labels) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    target = None
    if chosen is not None:
        target = whole_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Chosen")
        transform = whole_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Other")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(chosen))
        target.SetAndObserveTransformNodeID(transform.GetID())
    added = addSegmentation(segmentation_of(volume, labels, ["liver"]), volume_node, target, surfaces=False)
    found, expected = world_voxels(added.node, "liver"), volume_voxels(volume_node, CUBE)
    assert found.shape == expected.shape == place.shape
    half = min(volume.spacing) / 2
    # The sets of points agree voxel by voxel, and with what the engine was told about the place.
    assert np.linalg.norm(found.mean(axis=0) - expected.mean(axis=0)) < 0.01 * half
    for points in (expected, place):
        nearest = np.linalg.norm(found[:, None] - points[None], axis=2).min(axis=1)
        assert nearest.max() < 0.01 * half


def test_volume_and_segments_move_together(whole_scene: Any) -> None:
    volume_node = shown(whole_scene, np.diag([1.0, 2, 3, 1]), [np.eye(4)])
    volume = volumeFromNode(volume_node)
    added = addSegmentation(segmentation_of(volume, CUBE.astype(np.uint8), ["liver"]), volume_node, surfaces=False)
    move = np.eye(4)
    move[:3, 3] = (100, 0, -5)
    volume_node.GetParentTransformNode().SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(move))
    assert np.allclose(world_voxels(added.node, "liver"), volume_voxels(volume_node, CUBE))
    assert world_voxels(added.node, "liver").min(axis=0)[0] > 100


@pytest.mark.parametrize("own", [False, True])
def test_a_mildly_sheared_volume_is_not_straightened(whole_scene: Any, own: bool) -> None:
    """By its own matrix (gantry tilt) and by the transform above it."""
    shear = np.diag([1.0, 2.0, 3.0, 1.0])
    shear[1, 2] = 0.4
    volume_node = shown(whole_scene, shear, []) if own else shown(whole_scene, np.eye(4), [shear])
    volume = volumeFromNode(volume_node)
    added = addSegmentation(segmentation_of(volume, CUBE.astype(np.uint8), ["liver"]), volume_node, surfaces=False)
    assert np.allclose(world_voxels(added.node, "liver"), volume_voxels(volume_node, CUBE), atol=1e-6)

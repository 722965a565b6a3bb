"""Regions that a text found: a preview that is never saved, a jump to them, and keeping one as a segment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from MedVLPLib.Labelmaps import orientedLabelmap
from MedVLPLib.Matrices import ijkToParent, ijkToWorld
from MedVLPLib.Tags import RESULTS
from MedVLPLib.Texts import _
from MedVLPSegmentLib.Results import resultsOf
from MedVLPSegmentLib.Segments import (
    AddedSegments,
    createSurfaces,
    gridIn,
    newSegmentation,
    removeSegmentation,
    writeSegment,
)
from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.segmentation import Segment

PREVIEW = "MedVLP.Preview"


def showRegion(region: Any, volumeNode: Any, grid: NDArray[np.float64] | None = None) -> Any:
    """Show a found region as the only segment of the preview node, in place of the last one; return the node.

    Args:
        region: a FoundRegion (`vlp3d_core.service.client`).
        volumeNode: the volume that was searched.
        grid: index → world of the volume when it was searched, if it may have been moved since; None is as it is now.

    Raises:
        MedVLPError: the volume is not the one that was searched.
    """
    image = _image(region, volumeNode, ijkToParent(volumeNode), grid)
    clearPreview(volumeNode.GetScene())
    node = newSegmentation(volumeNode, _("MedVLP preview"))
    node.SetAttribute(PREVIEW, "1")
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    node.GetDisplayNode().SetSaveWithScene(False)
    writeSegment(node, image, _segment(region), "")
    node.CreateClosedSurfaceRepresentation()
    return node


def clearPreview(scene: Any) -> None:
    """Remove what `showRegion` shows."""
    for node in list(_previews(scene)):
        removeSegmentation(node)


def keepRegion(
    region: Any, volumeNode: Any, segmentationNode: Any = None, model: str = "", query: str = "",
    grid: NDArray[np.float64] | None = None,
) -> AddedSegments:  # fmt: skip
    """Make a found region a segment: of the chosen node, of the volume's results, or of a new node; ends the preview.

    It is added, never replaces anything, and later runs leave it alone.

    Raises:
        MedVLPError: the volume is not the one that was searched, or the node's transform does not allow it.
    """
    node = segmentationNode or resultsOf(volumeNode) or newSegmentation(volumeNode)
    image = _image(region, volumeNode, gridIn(node, volumeNode, ijkToWorld(volumeNode)), grid)
    clearPreview(volumeNode.GetScene())
    row = _segment(region)
    modifying = node.StartModify()
    segmentId = writeSegment(node, image, row, model, query=query or row.name)
    node.SetAttribute(RESULTS, "1")
    node.EndModify(modifying)
    if node.GetSegmentation().GetNumberOfSegments() == 1:  # others have surfaces, which it got too, or want none
        createSurfaces(node)
    return AddedSegments(node, {row.concept: segmentId}, (row,))


def jumpTo(centre: tuple[float, float, float], scene: Any) -> None:
    """Centre all slice views on a point in world RAS mm."""
    r, a, s = (float(value) for value in centre)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, r, a, s, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def _previews(scene: Any) -> Iterator[Any]:
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        if node.GetAttribute(PREVIEW):
            yield node


def _image(region: Any, volumeNode: Any, affine: NDArray[np.float64], grid: NDArray[np.float64] | None) -> Any:
    """The region's mask on the volume's grid, which `affine` places in the node that will hold it."""
    searched = ijkToWorld(volumeNode) if grid is None else grid
    start = np.linalg.solve(searched, np.asarray(region.affine, float))[:3, 3]
    whole = np.rint(start).astype(int)
    stop = whole + region.mask.shape
    if (
        np.abs(start - whole).max() > 0.01
        or np.any(whole < 0)
        or np.any(stop > volumeNode.GetImageData().GetDimensions())
    ):
        raise MedVLPError(
            _("'{name}' has changed since it was searched.").format(name=volumeNode.GetName()), _("Search again.")
        )
    i, j, k = whole.tolist()
    return orientedLabelmap(np.asarray(region.mask), affine, (i, j, k))


def _segment(region: Any) -> Segment:
    return Segment(
        1, region.concept, region.name, region.color, region.category, region.type, region.modifier,
        region.score, region.volume_ml, True,
    )  # fmt: skip

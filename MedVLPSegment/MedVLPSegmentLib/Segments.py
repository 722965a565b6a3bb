"""The engine's segmentation as segments of the scene: one label map, named, coloured and coded from the concepts.

All structures share one label map layer, added the way Slicer's own file reader does it. Slicer's label map import
would give the same voxels, but needs a temporary node and a colour table, chooses the segment ids itself, leaves
terminology out and says "done" when it added nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from MedVLPLib import Tags
from MedVLPLib.Labelmaps import BINARY, orientedLabelmap
from MedVLPLib.Matrices import ijkToParent, ijkToWorld, parentToWorld
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.segmentation import Segment, Segmentation, rounded_ml


@dataclass(frozen=True)
class AddedSegments:
    """What came into the scene.

    Attributes:
        node: the vtkMRMLSegmentationNode.
        ids: concept id (of an instance with its number, `Segment.id`) → segment id, for what was found.
        segments: every structure that was asked for, found or not, or its instances.
        notes: what the user should know.
        report: measured facts of the run.
    """

    node: Any
    ids: dict[str, str]
    segments: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def notFound(self) -> tuple[Segment, ...]:
        return tuple(s for s in self.segments if s.id not in self.ids)


def addSegmentation(
    segmentation: Segmentation, volumeNode: Any, segmentationNode: Any = None, name: str | None = None,
    surfaces: bool = True,
) -> AddedSegments:  # fmt: skip
    """Bring a result into the scene, where the volume is shown.

    A new node gets the volume's parent transform, so that both move together, and its place in the subject hierarchy.
    In a chosen node, earlier results for the same concepts are replaced, also by "nothing found"; whatever else it
    holds (drawn by the user, kept regions) stays as it is.

    Args:
        segmentation: labels on a grid in world RAS mm, as `volumeFromNode` gave it.
        volumeNode: the volume that was segmented; it is in a scene.
        segmentationNode: add to this one; None makes a new one called `name`.
        surfaces: make closed surfaces for 3D views, too.

    Raises:
        MedVLPError: the chosen node is under a transform that is not linear or would shear the voxels.
    """
    node = segmentationNode or newSegmentation(volumeNode, name)
    try:
        affine = gridIn(node, volumeNode, segmentation.affine)
        found = [s for s in segmentation.segments if s.found]
        image = orientedLabelmap(segmentation.labels, affine) if found else None
        modifying = node.StartModify()
        try:
            _removeEarlier(node, {s.concept for s in segmentation.segments})
            model, version = segmentation.model, str(segmentation.report.get("version") or _version())
            ids = {s.id: writeSegment(node, image, s, model, version) for s in found} if image else {}
            Tags.writeNotFound(node, segmentation.segments)
            node.SetAttribute(Tags.MODEL, model)
            node.SetAttribute(Tags.RESULTS, "1")
        finally:
            node.EndModify(modifying)
    except BaseException:
        if segmentationNode is None:
            removeSegmentation(node)
        raise
    if surfaces:
        createSurfaces(node)
    return AddedSegments(node, ids, segmentation.segments, segmentation.notes, segmentation.report)


def newSegmentation(volumeNode: Any, name: str | None = None) -> Any:
    """An empty segmentation node on the volume's grid, under its transform, beside it in the subject hierarchy."""
    scene = volumeNode.GetScene()
    name = name or _("{volume} segmentation").format(volume=volumeNode.GetName())
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    # After the transform: it is taken into account. Also sets the reference that DICOM SEG export asks for.
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    placeBeside(node, volumeNode)
    return node


def removeSegmentation(node: Any) -> None:
    """Take a segmentation node out of its scene, with its display nodes, which would stay behind."""
    scene = node.GetScene()
    for display in [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]:
        scene.RemoveNode(display)
    scene.RemoveNode(node)


def placeBeside(node: Any, volumeNode: Any) -> None:
    """Give a node the volume's parent in the subject hierarchy (its study, or folder)."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    volumeItem = hierarchy.GetItemByDataNode(volumeNode) if hierarchy else 0
    if not volumeItem:
        return
    parent = hierarchy.GetItemParent(volumeItem)
    item = hierarchy.GetItemByDataNode(node)  # Slicer's plugins have made one; without them it is made here
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def createSurfaces(node: Any) -> None:
    """Closed surfaces of all segments, for 3D views."""
    if node.GetSegmentation().GetNumberOfSegments():
        node.CreateClosedSurfaceRepresentation()


def gridIn(node: Any, volumeNode: Any, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """A grid in world RAS mm as the segmentation node has to hold it, under its own transforms.

    Raises:
        MedVLPError: the node's transform is not linear, or shears the grid, which segments cannot be.
    """
    from vlp3d_core.volume.check_geometry import NOTED_SHEAR_DEGREES, shear_degrees

    if node.GetTransformNodeID() == volumeNode.GetTransformNodeID() and np.allclose(affine, ijkToWorld(volumeNode)):
        return ijkToParent(volumeNode)  # exactly the volume's own, without rounding on the way through the world
    local: NDArray[np.float64] = np.linalg.inv(parentToWorld(node)) @ affine
    if shear_degrees(local) > shear_degrees(affine) + NOTED_SHEAR_DEGREES:
        raise MedVLPError(
            _("The transform of the segmentation '{name}' shears the voxels of '{volume}'.").format(
                name=node.GetName(), volume=volumeNode.GetName()
            ),
            _("Choose a new segmentation, or take this one out of its transform."),
        )
    return local


def writeSegment(node: Any, image: Any, row: Segment, model: str, version: str = "", query: str = "") -> str:
    """Add one structure of a shared label map; return its segment id, which is the row's id where that is free."""
    content = node.GetSegmentation()
    segment = slicer.vtkSegment()
    segment.SetName(_freeName(content, row.name))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*(channel / 255 for channel in row.color))
    segment.SetColorAutoGenerated(False)
    segment.SetLabelValue(row.value)
    _tag(segment, row, model, version or _version(), query)
    segment.AddRepresentation(BINARY, image)
    segmentId = content.GenerateUniqueSegmentID(row.id)
    if not content.AddSegment(segment, segmentId):
        raise MedVLPError(
            _("'{segment}' could not be added to the segmentation '{name}'.").format(
                segment=row.name, name=node.GetName()
            ),
            _("Choose a new segmentation."),
        )
    return segmentId


def _tag(segment: Any, row: Segment, model: str, version: str, query: str) -> None:
    from vlp3d_core.volume.terminology import terminology_entry

    segment.SetTag(segment.GetTerminologyEntryTagName(), terminology_entry(row))
    Tags.writeTag(segment, Tags.CONCEPT, row.concept)
    Tags.writeTag(segment, Tags.SCORE, f"{row.score:.4f}")
    Tags.writeTag(segment, Tags.VOLUME_ML, f"{rounded_ml(row.volume_ml)}")
    Tags.writeTag(segment, Tags.MODEL, model)
    Tags.writeTag(segment, Tags.VERSION, version)
    Tags.writeTag(segment, Tags.QUERY, query)


def _removeEarlier(node: Any, concepts: set[str]) -> None:
    """Remove what an earlier run wrote for these concepts."""
    content = node.GetSegmentation()
    for segmentId in content.GetSegmentIDs():
        segment = content.GetSegment(segmentId)
        if Tags.readTag(segment, Tags.CONCEPT) in concepts and not Tags.readTag(segment, Tags.QUERY):
            content.RemoveSegment(segmentId)


def _freeName(content: Any, name: str) -> str:
    taken = {content.GetNthSegment(n).GetName() for n in range(content.GetNumberOfSegments())}
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name} {number}"
    return free


def _version() -> str:
    import vlp3d_core

    return vlp3d_core.__version__

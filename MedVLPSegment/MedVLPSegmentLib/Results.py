"""What a segmentation node holds, as the list in the panel and the table show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from MedVLPLib.Labelmaps import labelArray, layersOf
from MedVLPLib.Matrices import parentToWorld
from MedVLPLib.Tags import CONCEPT, MODEL, RESULTS, SCORE, VOLUME_ML, readNotFound, readNumber, readTag


@dataclass(frozen=True)
class ResultRow:
    """One structure.

    Attributes:
        segmentId: "" for a structure that was not found.
        concept: concept id, "" for a segment that is not MedVLP's.
        color: RGB, 0 to 255.
        score: mean probability, or the highest that was seen where nothing was found; None when not MedVLP's.
        volumeMl: None where it is not known without measuring.
    """

    segmentId: str
    concept: str
    name: str
    color: tuple[int, int, int]
    score: float | None
    volumeMl: float | None
    found: bool
    model: str


def resultRows(segmentationNode: Any, measure: bool = False) -> list[ResultRow]:
    """The node's segments in their order, then what was looked for and not found.

    Args:
        measure: count voxels, for volumes that hold after the user's edits and in transformed space; otherwise the
            volumes are those of the run.
    """
    content = segmentationNode.GetSegmentation()
    measured = segmentVolumes(segmentationNode) if measure else {}
    rows = []
    for segmentId in content.GetSegmentIDs():
        segment = content.GetSegment(segmentId)
        red, green, blue = (round(255 * channel) for channel in segment.GetColor())
        rows.append(
            ResultRow(
                segmentId, readTag(segment, CONCEPT), segment.GetName(), (red, green, blue),
                readNumber(segment, SCORE), measured.get(segmentId, readNumber(segment, VOLUME_ML)), True,
                readTag(segment, MODEL),
            )
        )  # fmt: skip
    model = segmentationNode.GetAttribute(MODEL) or ""
    for lost in readNotFound(segmentationNode):
        red, green, blue = lost.get("color") or (127, 127, 127)
        rows.append(
            ResultRow(
                "", lost["concept"], lost.get("name") or lost["concept"], (red, green, blue), lost.get("score"), 0.0,
                False, model,
            )
        )  # fmt: skip
    return rows


def segmentVolumes(segmentationNode: Any) -> dict[str, float]:
    """Segment id → ml in the world, counted in the binary label maps; segments without one are left out."""
    scale = abs(np.linalg.det(parentToWorld(segmentationNode)[:3, :3])) / 1000
    volumes: dict[str, float] = {}
    for image, byValue in layersOf(segmentationNode.GetSegmentation()):
        array, affine = labelArray(image)
        voxelMl = abs(np.linalg.det(affine[:3, :3])) * scale
        counts = np.zeros(max(byValue) + 1, np.int64)
        for k in range(array.shape[2]):  # slice by slice: bincount makes eight bytes of every voxel
            here = np.bincount(array[:, :, k].ravel(order="K"), minlength=counts.size)
            counts += here[: counts.size]
        volumes |= {segmentId: float(counts[value] * voxelMl) for value, segmentId in byValue.items()}
    return volumes


def resultsOf(volumeNode: Any) -> Any:
    """The newest segmentation node that MedVLP made of this volume and that is still there, or None."""
    scene = volumeNode.GetScene()
    for number in reversed(range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"))):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        role = node.GetReferenceImageGeometryReferenceRole()
        if node.GetAttribute(RESULTS) and node.GetNodeReferenceID(role) == volumeNode.GetID():
            return node
    return None

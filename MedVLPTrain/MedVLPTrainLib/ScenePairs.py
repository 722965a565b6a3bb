"""Which volumes of a scene are there for training, and which segmentation belongs to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedVLPLib.Tags import CONCEPT, QUERY, readTag
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.collect import stem

VOLUME, SEGMENTATION = "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"


@dataclass(frozen=True)
class Pair:
    """Node ids of a volume and of the segmentation that was drawn on it; "" for none."""

    volumeId: str
    segmentationId: str = ""


def nodesOf(scene: Any, className: str) -> list[Any]:
    """The nodes of exactly this class that a user sees, in the scene's order."""
    count = scene.GetNumberOfNodesByClass(className)
    nodes = [scene.GetNthNodeByClass(number, className) for number in range(count)]
    return [node for node in nodes if node.GetClassName() == className and not node.GetHideFromEditors()]


def guessPairs(scene: Any) -> list[Pair]:
    """Every volume, with its segmentation: by the source volume that the segmentation names, else by the names."""
    byVolume: dict[str, str] = {}
    free = {}
    for node in nodesOf(scene, SEGMENTATION):
        volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
        if volume is not None:
            byVolume.setdefault(volume.GetID(), node.GetID())
        else:
            free.setdefault(_stem(node), node.GetID())
    return [
        Pair(node.GetID(), byVolume.get(node.GetID()) or free.get(_stem(node), "")) for node in nodesOf(scene, VOLUME)
    ]


def patientOf(volumeNode: Any) -> str:
    """The patient's id in the subject hierarchy, or the patient's name there; "" where there is none."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    item = hierarchy.GetItemByDataNode(volumeNode) if hierarchy else 0
    patient = hierarchy.GetItemAncestorAtLevel(item, "Patient") if item else 0
    if not patient:
        return ""
    return str(hierarchy.GetItemAttribute(patient, "DICOM.PatientID") or hierarchy.GetItemName(patient) or "").strip()


def segmentConcepts(segmentationNode: Any) -> Iterator[tuple[str, str]]:
    """(name, concept id) of each segment; the id is "" where the name means nothing, or several things."""
    content = segmentationNode.GetSegmentation()
    for segmentId in content.GetSegmentIDs():
        segment = content.GetSegment(segmentId)
        tagged = readTag(segment, CONCEPT) if not readTag(segment, QUERY) else ""
        yield segment.GetName(), tagged if tagged in concepts() else conceptNamed(segment.GetName())


def conceptNamed(name: str) -> str:
    """The one structure that a segment's name means; "" for none."""
    from vlp3d_core.text.prompt import parse_prompt

    if name in concepts():
        return name
    prompt = parse_prompt(name.replace("_", " "))
    one = len(prompt.concepts) == 1 and not prompt.unknown and not prompt.negated
    return prompt.concepts[0].id if one else ""


def _stem(node: Any) -> str:
    """The name without words for image or label, as for files."""
    return stem(Path(node.GetName().replace("/", "_").replace(" ", "_") + ".nrrd")).casefold()

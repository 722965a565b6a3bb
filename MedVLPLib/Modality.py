"""What a volume node says about how it was made."""

from __future__ import annotations

from typing import Any

from vlp3d_core.volume.volume import MODALITIES

ATTRIBUTE = "DICOM.Modality"
"""Where Slicer's DICOM import writes the modality: on the subject hierarchy item of the series."""

_ALIASES = {"MRI": "MR", "PET": "PT", "CBCT": "CT"}


def modalityOf(volumeNode: Any) -> str:
    """ "CT", "MR", "EM" or "PT", by the DICOM tag or the unit of the voxels; "" where the node does not say."""
    for text in (volumeNode.GetAttribute(ATTRIBUTE), _hierarchyAttribute(volumeNode)):
        name = (text or "").strip().upper()
        name = _ALIASES.get(name, name)
        if name in MODALITIES:
            return name
    return _byUnits(volumeNode)


def _hierarchyAttribute(volumeNode: Any) -> str:
    import slicer

    scene = volumeNode.GetScene()
    if scene is None:
        return ""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    return str(hierarchy.GetItemAttribute(item, ATTRIBUTE)) if item else ""


def _byUnits(volumeNode: Any) -> str:
    units = volumeNode.GetVoxelValueUnits()
    code = (units.GetCodeValue() or "") if units else ""
    if code == "[hnsf'U]":  # UCUM's Hounsfield unit
        return "CT"
    return "PT" if code.startswith("{SUV") else ""

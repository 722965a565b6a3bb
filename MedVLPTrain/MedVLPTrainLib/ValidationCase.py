"""A validation volume of a job with what its model finds there, in the scene.

A run keeps scores and no volumes: the finished model segments the volume when somebody wants to look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError


def validationCase(manifest: str) -> Any:
    """The first validation case of a manifest whose volume is there, a `train.manifest.Case`.

    Raises:
        MedVLPError: the manifest cannot be read, or has no such case.
    """
    from vlp3d_core.train.manifest import read_manifest

    cases = read_manifest(manifest, ("validation",), check_files=False)
    case = next((case for case in cases if case.image.exists()), None)
    if case is None:
        cause = _("No volume of the split 'validation' in {manifest} is on this computer.")
        raise MedVLPError(cause.format(manifest=manifest), _("Segment another volume in MedVLPSegment."))
    return case


def segmentWords(case: Any, bundle: Path, out: Path) -> list[str]:
    """The `vlp3d` command that segments a case with a model."""
    modality = [f"--modality={case.modality}"] if case.modality else []
    return ["segment", str(case.image), f"--output={out}", f"--model={bundle}", *modality]


def loadCase(image: Path, segmentation: Path, title: str) -> tuple[Any, Any]:
    """Load a volume and its segmentation; returns the nodes.

    The segmentation keeps no place on disk: its file is temporary, and saving the scene must write it anew.

    Raises:
        MedVLPError: Slicer cannot read one of them.
    """
    volume = slicer.modules.volumes.logic().AddArchetypeVolume(str(image), image.name.split(".")[0], 0)
    if volume is None:
        raise MedVLPError(
            _("Slicer cannot read {file}.").format(file=image), _("Load it in the module Add Data or DICOM.")
        )
    scene = volume.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(title))
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(segmentation))
    if not storage.ReadData(node):
        scene.RemoveNode(node)
        raise MedVLPError(_("Slicer cannot read {file}.").format(file=segmentation), _("Try again."))
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return volume, node


def showVolume(volume: Any) -> None:
    """Bring a volume into the slice views, where there are any."""
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
